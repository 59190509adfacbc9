"""What the user commands do: settings in, words, figures and exit codes out."""
