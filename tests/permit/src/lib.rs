//! What changes a machine has a permit, and nobody but the host makes one: see the test.
