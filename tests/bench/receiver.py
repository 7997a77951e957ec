#!/usr/bin/env python3
"""Takes webhooks and says yes to each: prints its port, and writes the id of each message to a file, one a line.

usage: tests/bench/receiver.py FILE
"""
import asyncio
import sys

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def serve(reader, writer, log):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            headers = dict(line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:] if b":" in line)
            await reader.readexactly(int(headers.get(b"content-length", b"0")))
            with open(log, "ab") as out:
                out.write(headers.get(b"webhook-id", b"none").strip() + b"\n")
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(log):
    server = await asyncio.start_server(lambda reader, writer: serve(reader, writer, log), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(sys.argv[1]))
