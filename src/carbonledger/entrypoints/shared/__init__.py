"""What several edges share: callers, problems, limits, identification of requests."""
