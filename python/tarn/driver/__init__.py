"""The program behind an execution context."""
