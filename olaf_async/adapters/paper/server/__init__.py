"""An OpenAlgo server on the paper exchange: its REST routes and its websocket, for clients to be tried on."""
