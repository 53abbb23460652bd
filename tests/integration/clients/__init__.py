"""Programs and helpers for the tests with real AWS clients."""
