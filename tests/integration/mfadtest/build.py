"""Where a build directory keeps the programs, and how they were built."""
import json
import os
import subprocess


class Build:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.front = os.path.join(self.folder, 'daemon', 'mfad')
        self.signer = os.path.join(self.folder, 'daemon', 'mfad-signer')
        self.fetch = os.path.join(self.folder, 'daemon', 'mfad-fetch')
        self.mfactl = os.path.join(self.folder, 'client', 'mfactl')
        self.evil_fetch = os.path.join(self.folder, 'tests', 'integration', 'evil-fetch')
        self.is_sanitized = self._sanitizers() != 'none'

    def _sanitizers(self):
        answer = subprocess.run(['meson', 'introspect', '--buildoptions', self.folder],
                                capture_output=True, text=True, check=True)
        options = {o['name']: o['value'] for o in json.loads(answer.stdout)}
        return options.get('b_sanitize', 'none')

    def missing(self):
        return [p for p in (self.front, self.signer, self.fetch, self.mfactl) if not os.path.exists(p)]
