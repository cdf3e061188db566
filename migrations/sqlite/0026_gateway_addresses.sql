-- Where the provider's paths begin at the gateway, as the program of a task addresses it; empty where that is not known.
ALTER TABLE gateway_message ADD COLUMN address TEXT NOT NULL DEFAULT '';
