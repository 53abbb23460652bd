"""The command: `awssim serve --state DIR`, `awssim totp SEED`."""
import argparse
import sys

from awssim import server, totp


def parse(argv):
    parser = argparse.ArgumentParser(prog='awssim', description='AWS STS and IAM on loopback, for tests')
    commands = parser.add_subparsers(dest='command', required=True)

    serve = commands.add_parser('serve', help='run until SIGTERM')
    serve.add_argument('--state', required=True, metavar='DIR',
                       help='for ca.pem, ports.json (written when ready) and users.json')
    serve.add_argument('--config', metavar='FILE',
                       help='users, roles and options (see model.py); without it one user is made up')
    serve.add_argument('--https-port', type=int, default=0)
    serve.add_argument('--http-port', type=int, default=0)
    serve.add_argument('--admin-port', type=int, default=0)
    serve.add_argument('--tls-variants', action='store_true',
                       help='also listen with every kind of bad certificate')
    serve.add_argument('--until-eof', action='store_true', help='end when standard input ends')

    code = commands.add_parser('totp', help='print the code that a virtual MFA device shows now')
    code.add_argument('seed', help='base32, as AWS shows it at enrolment')
    code.add_argument('--at', type=float, help='seconds since 1970 (default: now)')
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    if args.command == 'totp':
        print(totp.code(args.seed, at=args.at))
        return 0
    return server.run(args)


if __name__ == '__main__':
    sys.exit(main())
