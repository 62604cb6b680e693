"""What an exchange tells and what a bot does there, to be looked at in a desktop window. This much is worked out without Qt."""
