"""The dashboard: pages made at the server, readable without script. They call the API's services and hold no rule of their own."""
