"""Pages for people, served as they are: no data is ever put into markup here, the pages ask the API for it."""
