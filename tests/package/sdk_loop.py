"""sdk_loop.py: asks for credentials with boto's own retries, as if by a new program each time.

usage: sdk_loop.py BEGAN DONE. Makes the file BEGAN after the first answer and goes on until DONE is there. Prints one
JSON object: how often it asked, the keys that it got, what failed, and how long the longest took.
"""
import json
import os
import pathlib
import sys
import time

import botocore.session


def main():
    asked, keys, failures, slowest = 0, set(), [], 0
    while not os.path.exists(sys.argv[2]):
        began = time.monotonic()
        try:
            keys.add(botocore.session.Session().get_credentials().get_frozen_credentials().access_key)
        except Exception as e:  # whatever an SDK may raise is a failure
            failures.append(f'{type(e).__name__}: {e}')
        asked += 1
        pathlib.Path(sys.argv[1]).touch()
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.01)
    print(json.dumps({'asked': asked, 'keys': sorted(keys), 'failures': failures, 'slowest': slowest}))


if __name__ == '__main__':
    main()
