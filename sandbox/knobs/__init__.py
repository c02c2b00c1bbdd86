"""What a tester turns: the sandbox's clock, and the faults it shows."""
