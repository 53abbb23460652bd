"""Just enough S3 for `rclone lsd`: lists no buckets, to whoever signed with the expected credentials."""
import contextlib
import hmac
import http.server
import threading

from awssim.signature import AUTHORIZATION, Verifier
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

EMPTY = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>x</ID></Owner>\
<Buckets><Bucket><Name>proof</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets>\
</ListAllMyBucketsResult>"""


def is_signed_by(creds, method, url, headers):
    """Whether botocore, given @creds (as mfad serves them), signs the same."""
    match = AUTHORIZATION.fullmatch(headers.get('Authorization', ''))
    if not match or headers.get('X-Amz-Security-Token') != creds['Token']:
        return False
    key_id, _, region, service, _ = match['credential'].split('/')
    request = AWSRequest(method=method, url=url, headers=dict(headers))
    request.context['timestamp'] = headers['X-Amz-Date']
    verifier = Verifier(Credentials(creds['AccessKeyId'], creds['SecretAccessKey'], creds['Token']),
                        service, region, match['signed'].split(';'))
    canonical = verifier.canonical_request(request)
    signature = verifier.signature(verifier.string_to_sign(request, canonical), request)
    return key_id == creds['AccessKeyId'] and hmac.compare_digest(signature, match['signature'])


@contextlib.contextmanager
def s3_stub(creds):
    """Serves on a free loopback port; yields its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802, the name is the library's
            right = is_signed_by(creds, 'GET', f'http://{self.headers["Host"]}{self.path}', self.headers)
            self.send_response(200 if right else 403)
            body = EMPTY if right else b'<Error><Code>SignatureDoesNotMatch</Code></Error>'
            self.send_header('Content-Type', 'application/xml')
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *ignored):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_address[1]}'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
