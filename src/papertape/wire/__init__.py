"""A venue served as REST and WebSocket."""
