"""The listeners: STS and IAM over HTTPS and HTTP, and the tests' own door, `admin`.

admin: GET /now /log /counts /connections /totp?serial=S · POST /fault /reset /options /key (JSON bodies)
"""
import asyncio
import collections
import json
import os
import resource
import signal
import socket
import ssl
import time
from urllib.parse import parse_qs, parse_qsl, urlsplit

from awssim import answers, certificates, faults, http, model, services, signature, signin, totp

BACKLOG = 1024
HANDSHAKE_SEC = 30


class CountingProtocol(asyncio.StreamReaderProtocol):
    """Counts what arrives after the TLS handshake, so that a test can say: not one byte."""

    def __init__(self, reader, record):
        super().__init__(reader)
        self.record = record

    def data_received(self, data):
        self.record['bytes'] += len(data)
        super().data_received(data)


class Server:
    def __init__(self, config):
        self.model = model.Model(config)
        self.faults = faults.Faults()
        self.log, self.connections, self.errors = [], [], 0

    # one AWS call

    def parameters(self, request):
        if request.method != 'POST' or urlsplit(request.target).path != '/':
            raise model.AwsError(404, 'InvalidAction', 'only POST / is served')
        try:
            pairs = parse_qsl(request.body.decode('ascii'), keep_blank_values=True, strict_parsing=True)
        except (UnicodeDecodeError, ValueError):
            raise model.AwsError(400, 'MalformedQueryString', 'The query string is malformed') from None
        params = dict(pairs)
        if len(params) != len(pairs):
            raise model.AwsError(400, 'MalformedQueryString', 'a parameter occurs twice')
        return params

    def perform(self, request, entry):
        """The result's elements; raises AwsError. Fills the log's `entry` as far as it gets."""
        params = self.parameters(request)
        action = params.get('Action', '')
        entry.update(action=action, serial=params.get('SerialNumber'), code=params.get('TokenCode'),
                     duration=params.get('DurationSeconds'), role=params.get('RoleArn'), params=params)
        known = answers.ACTIONS.get(action)
        if not known or params.get('Version') != known[0][1]:
            raise model.AwsError(400, 'InvalidAction', f'Could not find operation {action} for version '
                                 f"{params.get('Version', 'NO_VERSION_SPECIFIED')}")
        (service, _, _), operation = known
        fault = entry['fault'] = self.faults.take(action, params.get('RoleArn'))
        error = faults.instead(fault) if fault else None
        if error:
            raise error
        credential, region = signature.check(self.model, request, service)
        entry.update(key_id=credential.id, credential=credential.kind, service=service, region=region,
                     caller=credential.arn)
        if service == 'sts' and region in self.model.options['disabled_regions']:
            raise model.AwsError(403, 'RegionDisabledException', 'STS is not activated in this region for account:'
                                 f'{credential.account}. Your account administrator can activate STS in this region '
                                 'using the IAM Console.')
        return operation(self.model, credential, params)

    def signin(self, request, entry):
        """The console's own endpoint, which knows no XML."""
        entry['action'] = signin.ACTION
        try:
            params = signin.parameters(request)
            fault = entry['fault'] = self.faults.take(signin.ACTION)
            error = faults.instead(fault) if fault else None
            if error:
                raise signin.Refused(error.status, error.message)
            body = signin.answer(self.model, params, entry)
            answer = http.Answer(200, body, 'application/json')
            entry['outcome'] = 'ok'
        except signin.Refused as e:
            answer = http.Answer(e.status, e.page(), 'text/html')
            entry['outcome'] = entry['message'] = e.reason
        entry['status'] = answer.status
        answer.headers[:0] = [('Date', http.date(self.model.now()))]
        return answer

    def answer(self, request, entry):
        if urlsplit(request.target).path == signin.PATH:
            return self.signin(request, entry)
        request_id = entry['request_id']
        try:
            result = self.perform(request, entry)
            answer = http.Answer(200, answers.success(entry['action'], result, request_id))
            entry['outcome'] = 'ok'
        except model.AwsError as e:
            self.errors += 1
            place = self.model.options['request_id']
            in_metadata = place == 'metadata' or (place == 'alternate' and self.errors % 2 == 0)
            known = answers.ACTIONS.get(entry['action'], (answers.STS,))
            answer = http.Answer(e.status, answers.error(e, known[0][2], request_id, in_metadata))
            entry['outcome'] = e.code
            entry['message'] = e.message
        entry['status'] = answer.status
        answer.headers[:0] = [('x-amzn-RequestId', request_id), ('Date', http.date(self.model.now()))]
        return answer

    async def serve_aws(self, listener, request, writer):
        """Returns False when the connection is to be closed."""
        started = time.monotonic()
        entry = {'time': time.time(), 'listener': listener, 'tls': listener != 'http', 'action': None,
                 'key_id': None, 'role': None, 'serial': None, 'code': None, 'fault': None, 'outcome': None,
                 'request_id': answers.new_request_id(), 'host': request.header('host'),
                 'user_agent': request.header('user-agent'), 'headers': request.headers,
                 'body': request.body.decode('latin-1')}
        self.log.append(entry)
        answer = self.answer(request, entry)
        entry['took_ms'] = (time.monotonic() - started) * 1000
        fault = entry['fault']
        if fault:
            faults.change(fault, answer)
            if fault['kind'] in services.KINDS:
                services.dress(fault['kind'], answer, self.model)
            entry['status'] = answer.status
            if fault['kind'] == 'delay':
                await asyncio.sleep(fault.get('sec', 1))
            if fault['kind'] in faults.WIRE:
                await faults.send(fault, answer, writer)
                return False
        writer.write(answer.head() + answer.body)
        await writer.drain()
        return answer.version == 'HTTP/1.1'

    # the tests' own door

    def admin(self, request):
        url = urlsplit(request.target)
        asked = (request.method, url.path)
        given = json.loads(request.body or b'{}')
        if asked == ('GET', '/now'):
            return {'now': self.model.now()}
        if asked == ('GET', '/log'):
            return self.log
        if asked == ('GET', '/counts'):
            return self.counts()
        if asked == ('GET', '/connections'):
            return self.connections
        if asked == ('GET', '/totp'):
            return self.codes(parse_qs(url.query)['serial'][0])
        if asked == ('POST', '/fault'):
            self.faults.add(given)
        elif asked == ('POST', '/options'):
            self.model.set_options(given)
        elif asked == ('POST', '/key'):
            self.model.credentials[given['id']].active = given['active']
        elif asked == ('POST', '/reset'):
            self.reset(given)
        else:
            raise ValueError(f"no such request: {' '.join(asked)}")
        return {}

    def counts(self):
        """[action, role, outcome, how often]: what a long log comes to."""
        found = collections.Counter((e['action'], e.get('role'), e['outcome']) for e in self.log)
        return [[*what, count] for what, count in found.items()]

    def reset(self, given):
        """Everything as at the start; {"keep": true} forgets the log and the faults only."""
        self.faults.reset()
        self.log.clear()
        self.connections.clear()
        if not given.get('keep'):
            self.model.reset()

    def codes(self, serial):
        """All codes that are good now and were not used yet, the current window's first."""
        device, now = self.model.device(serial), self.model.now()
        drift = self.model.options['totp_drift']
        near = sorted(range(-drift, drift + 1), key=lambda d: (abs(d), -d))
        current = totp.window(now)
        return {'now': now, 'current': totp.code_of_window(device.seed, current),
                'left_sec': (current + 1) * totp.STEP_SEC - now,
                'unused': [totp.code_of_window(device.seed, current + d) for d in near
                           if current + d not in device.used]}

    async def serve_admin(self, request, writer):
        try:
            status, result = 200, self.admin(request)
        except (ValueError, KeyError, AttributeError, TypeError) as e:
            status, result = 400, {'error': repr(e)}
        answer = http.Answer(status, json.dumps(result).encode(), 'application/json')
        writer.write(answer.head() + answer.body)
        await writer.drain()
        return True

    # connections

    async def talk(self, listener, reader, writer):
        going_on = True
        while going_on:
            try:
                request = await http.read_request(reader, writer)
            except http.BadRequest as e:
                writer.write(http.Answer(400, str(e).encode(), 'text/plain').head())
                return
            if request is None:
                return
            if listener == 'admin':
                going_on = await self.serve_admin(request, writer)
            else:
                going_on = await self.serve_aws(listener, request, writer)

    async def connection(self, listener, context, sock):
        loop = asyncio.get_running_loop()
        record = {'time': time.time(), 'listener': listener, 'handshake': None, 'bytes': 0, 'open': True}
        if listener != 'admin':
            self.connections.append(record)
            fault = self.faults.take('connect')
            if fault and await self.break_connection(fault, sock):
                record.update(handshake=fault['kind'], open=False)
                return
        reader = asyncio.StreamReader(limit=http.HEAD_MAX, loop=loop)
        protocol = CountingProtocol(reader, record)
        more = {'ssl': context, 'ssl_handshake_timeout': HANDSHAKE_SEC} if context else {}
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, **more)
        except (OSError, ssl.SSLError) as e:
            record.update(handshake=f'failed: {e}', open=False)
            sock.close()
            return
        record['handshake'] = 'done' if context else 'none'
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self.talk(listener, reader, writer)
        except (OSError, ssl.SSLError):
            pass  # the client went away: its right
        finally:
            record['open'] = False
            writer.close()

    async def break_connection(self, fault, sock):
        if fault['kind'] == 'hang':
            await asyncio.sleep(fault.get('sec', 60))
        elif fault['kind'] == 'reset':
            # once the client has begun to talk: sooner, and it may not even notice that it was connected
            await asyncio.get_running_loop().sock_recv(sock, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        else:
            return False
        sock.close()
        return True

    async def accept(self, listener, context, sock, tasks):
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(sock)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = loop.create_task(self.connection(listener, context, client))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


def listen(port):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(('127.0.0.1', port))
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


def write_json(directory, name, value):
    """Whole or not at all: a test waits for the file to appear."""
    path = os.path.join(directory, name)
    with open(os.open(path + '.new', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w', encoding='utf-8') as f:
        json.dump(value, f, indent=1)
    os.rename(path + '.new', path)


async def wait_for_end(until_eof):
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def end():
        if not ended.done():
            ended.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    if until_eof:
        loop.add_reader(0, lambda: os.read(0, 4096) or end())
    await ended


async def main(args, config):
    os.makedirs(args.state, mode=0o700, exist_ok=True)
    server = Server(config)
    listeners = {'http': (None, listen(args.http_port)), 'admin': (None, listen(args.admin_port))}
    for name, context in certificates.make(args.state, args.tls_variants).items():
        listeners[name] = (context, listen(args.https_port if name == 'https' else 0))
    tasks = set()
    loop = asyncio.get_running_loop()
    for name, (context, sock) in listeners.items():
        tasks.add(loop.create_task(server.accept(name, context, sock, tasks)))
    write_json(args.state, 'users.json', config)
    ports = {name: sock.getsockname()[1] for name, (_, sock) in listeners.items()}
    write_json(args.state, 'ports.json',
               {**ports, 'ca_file': os.path.abspath(os.path.join(args.state, 'ca.pem')), 'pid': os.getpid()})
    await wait_for_end(args.until_eof)
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run(args):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(args, model.load_config(args.config)))
    return 0
