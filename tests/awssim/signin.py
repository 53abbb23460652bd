"""The console's federation endpoint: a role's credentials in, a sign-in token out. Nothing is signed."""
import json
import re
import secrets
from urllib.parse import parse_qsl

PATH = '/federation'
ACTION = 'getSigninToken'


class Refused(Exception):
    """What goes out as a page for people."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status, self.reason = status, reason

    def page(self):
        return (f'<!DOCTYPE html><html><head><title>HTTP Status {self.status} - {self.reason}</title></head>'
                f'<body><h1>HTTP Status {self.status} - {self.reason}</h1></body></html>').encode()


def parameters(request):
    """The form of `request`; credentials in a query would end in logs, so a query is refused."""
    if request.method != 'POST' or request.target != PATH:
        raise Refused(400, 'Bad request')
    pairs = parse_qsl(request.body.decode('latin-1'), keep_blank_values=True)
    params = dict(pairs)
    if params.get('Action') != ACTION or len(params) != len(pairs):
        raise Refused(400, 'Invalid action')
    return params


def credential_of(model, params):
    try:
        session = json.loads(params.get('Session', ''))
        key_id, secret, token = (session[name] for name in ('sessionId', 'sessionKey', 'sessionToken'))
    except (ValueError, KeyError, TypeError):
        raise Refused(400, 'Invalid session parameter') from None
    credential = model.credentials.get(key_id)
    known = credential and (credential.secret, credential.token) == (secret, token)
    if not known or not credential.is_active() or credential.expires <= model.now():
        raise Refused(400, 'Invalid credentials parameter')
    return credential


def check_duration(credential, text):
    """A chained role's console session lasts as long as its credentials, and AWS wants that unsaid."""
    if text is None:
        return
    if credential.parent.kind == 'role' or not re.fullmatch(r'\d{1,5}', text) or not 900 <= int(text) <= 43200:
        raise Refused(400, 'Invalid session duration parameter')


def answer(model, params, entry):
    """The body of the answer; fills the log's `entry`. Raises Refused."""
    credential = credential_of(model, params)
    entry.update(key_id=credential.id, credential=credential.kind, caller=credential.arn,
                 duration=params.get('SessionDuration'))
    if credential.kind != 'role':
        raise Refused(400, 'Invalid credentials parameter')  # of GetSessionToken: AWS wants a role's
    check_duration(credential, params.get('SessionDuration'))
    return json.dumps({'SigninToken': secrets.token_urlsafe(600)}).encode()
