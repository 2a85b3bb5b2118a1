"""What a study costs, told before it is made: requests, tokens, memory, hours, disk."""
