"""What the client tests share: processes, homes, a browser, a gateway under test."""
