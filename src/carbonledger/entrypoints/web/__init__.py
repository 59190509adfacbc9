"""The dashboard: pages made at the server, readable without script, that call the same services as the API and hold no rule of their own."""
