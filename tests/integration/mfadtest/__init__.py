"""What the integration tests, the demo and the bench use to run the real programs in a throw-away home."""
