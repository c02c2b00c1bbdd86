"""What a tester can turn: the sandbox's clock, and its faults."""
