"""The resources: what a host can list, complete and read by URI. Everything here can also be reached through a tool."""
