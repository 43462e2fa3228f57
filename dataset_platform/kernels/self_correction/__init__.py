"""What the project knows of self-correction: answers and their checkers, failure modes, policies, off-policy evaluation."""
