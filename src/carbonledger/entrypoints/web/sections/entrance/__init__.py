"""The way in and out: signing in, the pages that mailed links lead to, files, the methodology."""
