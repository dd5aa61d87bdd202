"""What Olaf reaches the world through: brokers, feeds, files, clocks. Each implements a port."""
