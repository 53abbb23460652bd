#!/usr/bin/python3
"""Each check of lint.py is shown something bad and must say so, and something good and must not."""
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

import checks
import layers
from tree import Tree, c_functions

OPENING = '/* {0} - a test.\n * Owns:  nothing.\n * Calls: nothing.\n * Limit: none. */\n'
LONG = 'int f(int a,\n      int b) {\n' + '        a++;\n' * 60 + '        return a + b;\n}\n'


class Lint(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix='mfad-lint-')
        self.addCleanup(shutil.rmtree, self.root)

    def tree(self, **files):
        """A tree of these files; `__` in a name stands for a slash, `_DOT_` for a dot."""
        for name, text in files.items():
            self.write(name.replace('__', '/').replace('_DOT_', '.'), text)
        return Tree(self.root)

    def write(self, path, text, mode=0o644):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'w', encoding='utf-8') as f:
            f.write(text)
        os.chmod(full, mode)

    def assert_says(self, problems, *words):
        self.assertTrue(problems, 'the check found nothing')
        for word in words:
            self.assertIn(word, '\n'.join(problems))

    def test_files(self):
        """Whatever they are called; and as git has them, where it is."""
        for path in ('debian/mfad.postinst', 'systemd/mfad.service.in', 'docs/a.md'):
            self.write(path, 'text\n')
        self.write('build-x/made.c', '')
        self.write('build-x.log', 'text\n')
        self.write('tests/vectors/v.ini', '')
        self.write('image', 'a\0b')
        ours = ['debian/mfad.postinst', 'docs/a.md', 'systemd/mfad.service.in']
        self.assertEqual(Tree(self.root).files, ours)
        if shutil.which('git'):
            subprocess.run(['git', 'init', '-q', self.root], check=True)
            self.write('.gitignore', 'build-x*\n*.log\n')
            self.write('new.log', 'x\n')
            self.assertEqual(Tree(self.root).files, ['.gitignore', *ours])
            # inside of another project it is a tarball again
            self.assertEqual(Tree(os.path.join(self.root, 'debian')).files, ['mfad.postinst'])

    def test_shell_files(self):
        self.write('debian/mfad.postinst', '#!/bin/sh\nset -e\n')
        self.assertEqual(Tree(self.root).shell_files(), ['debian/mfad.postinst'])

    def test_layers_upward(self):
        tree = self.tree(common__log_DOT_c='#include "common/sigv4.h"\n', common__sigv4_DOT_h='')
        self.assert_says(layers.check_layers(tree), 'includes upward')

    def test_layers_downward_is_fine(self):
        tree = self.tree(common__sigv4_DOT_c='#include "common/log.h"\n', common__log_DOT_h='')
        self.assertEqual(layers.check_layers(tree), [])

    def test_layers_other_program(self):
        tree = self.tree(daemon__front__session_DOT_c='#include "daemon/signer/vault.h"\n',
                         daemon__signer__vault_DOT_h='')
        self.assert_says(layers.check_layers(tree), 'must not see')

    def test_layers_unknown_file(self):
        self.assert_says(layers.check_layers(self.tree(client__strange_DOT_c='')), 'not in the table')

    def test_layers_circle(self):
        tree = self.tree(common__log_DOT_h='#include "common/buf.h"\n',
                         common__buf_DOT_h='#include "common/log.h"\n')
        self.assert_says(layers.check_layers(tree), 'circle')

    def test_layers_library(self):
        tree = self.tree(daemon__signer__main_DOT_c='#include <curl/curl.h>\n')
        self.assert_says(layers.check_layers(tree), 'has no place in daemon/signer')

    def test_layers_relative_include(self):
        tree = self.tree(common__buf_DOT_c='#include "buf.h"\n', common__buf_DOT_h='')
        self.assert_says(layers.check_layers(tree), 'does not exist from the top folder')

    def test_layers_table(self):
        self.assert_says(layers.check_layers_table(self.tree(common__log_DOT_c='')), 'no file client/main')

    def test_sizes_function(self):
        self.assert_says(checks.check_sizes(self.tree(common__buf_DOT_c=LONG)), 'f() has 64 lines')
        python = 'def f():\n' + '    pass\n' * 61
        self.assert_says(checks.check_sizes(self.tree(tests__x_DOT_py=python)), 'f() has 62 lines')

    def test_sizes_file(self):
        self.assert_says(checks.check_sizes(self.tree(common__buf_DOT_c='int x;\n' * 601)), '601 lines')

    def test_functions_are_seen(self):
        text = 'static int a(void) {\n        return 1;\n}\n\nstruct x {\n        int y;\n};\n' + LONG
        self.assertEqual([f[0] for f in c_functions(text)], ['a', 'f'])

    def test_openings(self):
        good = OPENING.format('buf.h') + '#pragma once\n'
        self.assertEqual(checks.check_openings(self.tree(common__buf_DOT_h=good)), [])
        for bad in (good.replace('Owns', 'Has'), good.replace('buf.h', 'log.h'), '#pragma once\n'):
            self.assert_says(checks.check_openings(self.tree(common__buf_DOT_h=bad)), 'does not open')
        self.assert_says(checks.check_openings(self.tree(common__buf_DOT_h=OPENING.format('buf.h'))),
                         '#pragma once')
        self.assert_says(checks.check_openings(self.tree(client__main_DOT_c='int main(void) {\n}\n')),
                         'client/main.c')

    @unittest.skipUnless(shutil.which('clang-format'), 'no clang-format')
    def test_clang_format(self):
        try:
            problems = checks.check_clang_format(self.tree(common__buf_DOT_c='int   x ;\n'))
        except checks.Skipped as reason:
            self.skipTest(str(reason))
        self.assert_says(problems, 'common/buf.c')

    @unittest.skipUnless(shutil.which('shellcheck'), 'no shellcheck')
    def test_shellcheck(self):
        self.write('run', '#!/bin/sh\ncat $1\n', 0o755)
        self.assert_says(checks.check_shellcheck(Tree(self.root)), 'SC2086')

    def test_switches(self):
        enum = 'enum colour {\n        RED,\n        BLUE = 2,\n};\n'
        bad = 'int f(int c) {\n switch (c) {\n case RED: return 1;\n default: return 2;\n }\n}\n'
        tree = self.tree(common__a_DOT_h=enum, common__a_DOT_c=bad)
        self.assert_says(checks.check_switches(tree), 'default: in a switch over our own enum (RED')
        self.assertEqual(checks.check_switches(self.tree(common__a_DOT_c=bad.replace('RED', "'x'"))), [])
        nested = ('switch (x) {\ncase RED:\n switch (y) {\n case EINTR: break;\n default: break;\n }\n}\n')
        self.assertEqual(checks.check_switches(self.tree(common__a_DOT_c=nested)), [])

    def test_literals(self):
        key = 'AKI' + 'A' + 'Q3EGUBZZLVR5TTTT'
        self.assert_says(checks.check_literals(self.tree(docs__a_DOT_md=f'x {key} y')), 'access key id')
        self.assertEqual(checks.check_literals(self.tree(docs__a_DOT_md='AKIAIOSFODNN7EXAMPLE')), [])
        for path in ('/wor' + 'k/x', '/ro' + 'ot/y', '/home/' + 'zoe/z'):
            self.assert_says(checks.check_literals(self.tree(tests__a_DOT_py=f'p = "{path}"\n')),
                             'a path of one machine')
        self.assertEqual(checks.check_literals(self.tree(tests__a_DOT_py='p = "tests/network/x"\n')), [])

    def test_unfinished(self):
        self.assert_says(checks.check_unfinished(self.tree(common__a_DOT_c='/* TO' + 'DO: x */\n')),
                         'common/a.c:1')

    def test_reveal(self):
        call = 'int f(void) {\n        return secret_reveal(s)[0];\n}\n'
        self.assert_says(checks.check_reveal(self.tree(client__main_DOT_c=call)), 'client/main.c')
        comment = '/* secret_reveal() is not called here */\n'
        self.assertEqual(checks.check_reveal(self.tree(client__main_DOT_c=comment)), [])

    def test_architecture(self):
        files = {'common__a_DOT_c': '', 'common__a_DOT_h': '', 'client__b_DOT_c': ''}
        page = 'docs__architecture_DOT_md'
        good = '`common/a.[ch]` one, `client/b.c` two\n'
        self.assertEqual(checks.check_architecture(self.tree(**files, **{page: good})), [])
        for bad, word in ((good.replace('`client/b.c`', ''), 'does not mention client/b.c'),
                          (good + '`client/c.c`', 'does not exist'),
                          (good + '`client/b.c`', '2 times')):
            self.assert_says(checks.check_architecture(self.tree(**files, **{page: bad})), word)
        os.unlink(os.path.join(self.root, 'docs/architecture.md'))
        self.assert_says(checks.check_architecture(Tree(self.root)), 'does not exist')

    def test_man(self):
        help_text = '#!/bin/sh\necho "    lock      forgets"; echo "  --code-stdin  reads a code"\n'
        self.write('mfactl', help_text, 0o755)
        self.assertTrue(os.stat(os.path.join(self.root, 'mfactl')).st_mode & stat.S_IXUSR)
        program = [os.path.join(self.root, 'mfactl')]
        self.assert_says(checks.check_man(Tree(self.root), program), 'no page')
        tree = self.tree(docs__man__mfactl_DOT_1_DOT_scd='*lock* *--yes*\n')
        self.assert_says(checks.check_man(tree, program), '--code-stdin')
        tree = self.tree(docs__man__mfactl_DOT_1_DOT_scd='*lock* *\\-\\-code-stdin*\n')
        self.assertEqual(checks.check_man(tree, program), [])
        self.write('mfactl', help_text + 'exit 1\n', 0o755)
        self.assert_says(checks.check_man(tree, program), 'mfactl --help: exit 1', 'mfactl lock --help: exit 1')
        self.write('mfactl', '#!/bin/sh\necho "  --code-stdin"\n', 0o755)
        self.assert_says(checks.check_man(tree, program), 'lists no command')

    def test_man_of_commands(self):
        self.write('mfactl', '#!/bin/sh\n[ "$1" = --help ] && echo "    key list      the keys" ||'
                   ' echo "    --json    as JSON"\n', 0o755)
        program = [os.path.join(self.root, 'mfactl')]
        tree = self.tree(docs__man__mfactl_DOT_1_DOT_scd='*key* x\n')
        self.assert_says(checks.check_man(tree, program), 'key list', '--json')
        tree = self.tree(docs__man__mfactl_DOT_1_DOT_scd='*key list* [*--json*]\n')
        self.assertEqual(checks.check_man(tree, program), [])


if __name__ == '__main__':
    unittest.main()
