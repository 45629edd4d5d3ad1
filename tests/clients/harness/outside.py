"""The world outside of the test: a proxy that refuses, and remembers who asked for what."""

import socket
import threading


class Outside:
    """Clients that honour proxy settings come here with everything that is not for loopback."""

    def __init__(self):
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._refuse, daemon=True).start()

    def environment(self) -> dict[str, str]:
        """The variables that lead a client here."""
        here = {name: self.url for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
        loopback = "127.0.0.1,localhost,::1"
        return {**here, "NO_PROXY": loopback, "no_proxy": loopback}

    def _refuse(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            with connection:
                connection.settimeout(5)
                try:
                    self.asked.append(connection.recv(4096).decode("latin-1").split("\r\n")[0])
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                except OSError as error:
                    self.asked.append(f"a connection that ended with {error}")

    def __enter__(self) -> "Outside":
        return self

    def __exit__(self, *_) -> None:
        self._listener.close()
