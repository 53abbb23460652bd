"""A vault that tests get copies of: made by the real programs."""
import os

from mfadtest.stack import PASSPHRASE

LOG2N_MIN = 15  # the least that mfad-signer reads; it writes 17


def at_least_cost(folder, passphrase=PASSPHRASE):
    """To open a vault as mfactl makes it takes scrypt half a second of a processor, and most tests open one that they
    are not about. So those that are copied get the least cost; tests of the passphrase and of the file make their own."""
    try:
        from vectors.make_vault import at_cost
    except ImportError:  # without python3-cryptography they are only slower
        return
    path = os.path.join(folder, 'vault')
    with open(path, 'rb') as f:
        data = at_cost(passphrase, f.read(), LOG2N_MIN)
    with open(path, 'r+b') as f:
        f.write(data)
        f.truncate()
