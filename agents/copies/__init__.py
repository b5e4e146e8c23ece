"""What is brought into an agent's copy of the repository: files of findings, another's patch."""
