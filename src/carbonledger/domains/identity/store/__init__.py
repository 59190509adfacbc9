"""Every SQL statement of identity: a tenant's rows always filtered by organization, a person's by user."""
