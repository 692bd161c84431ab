"""Demo nation 演示国: five real nodes on one computer, each its own process and database, and the way to run them."""
