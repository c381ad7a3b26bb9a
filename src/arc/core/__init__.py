"""The nouns of the house, their states, the error tree and the ports; imports nothing else of ours."""
