"""The way to the API server, over TLS, on which calls and watch events go wrong as a script says.

Everything it does is in its log: each call with its fault and status, each event that was hit. A
watch is told of when it opens: many a one outlives its script.
"""

import asyncio
import contextlib
import json
import re
import ssl
import time

import aiohttp
from aiohttp import web
from decisions import NOBODY, Call, Judge, subject_of

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive", "date"}
PODS = re.compile(r"/api/v1(?:/namespaces/(?P<namespace>[^/]+))?/pods(?:/(?P<name>[^/]+))?$")
ONE, MANY = {"GET": "get", "DELETE": "delete", "PATCH": "patch"}, {"POST": "create", "GET": "list"}
GONE = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "expired by script"},
}
UPSTREAM_GIVES_UP_S = 3600


class FaultProxy:
    """One listening port before one API server; `play` gives it another script."""

    def __init__(self, *, server, server_tls, own_tls, port, log, subjects=None):
        self._server = server
        self._server_tls = server_tls
        self._own_tls = own_tls
        self._port = port
        self._log = log
        """Called with (kind, fields)."""
        self._subjects = {} if subjects is None else subjects
        """Whom a pod is for, by its name; shared by proxies whose clients delete each other's."""
        self._judge = None
        self._began_s = 0.0
        self._is_behind = False
        """Events were lost and the client has not listed since; true of the one client we have."""
        self._watches = {}
        """Requests of open watches by their identity; they have no hash."""
        self._session = None

    def play(self, script, *, began_s):
        """Misbehave as the script says from now on; None behaves.

        Watches that are open break, so that rules about watches find some to hit.
        """
        self._judge = Judge(script) if script is not None else None
        self._began_s = began_s
        for request in self._watches.values():
            _hung_up(request)

    @contextlib.asynccontextmanager
    async def listening(self):
        connector = aiohttp.TCPConnector(limit=0, ssl=self._server_tls)
        timeout = aiohttp.ClientTimeout(total=UPSTREAM_GIVES_UP_S, sock_connect=3)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        )
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=self._own_tls)
        await site.start()
        try:
            yield
        finally:
            await runner.cleanup()
            await self._session.close()

    # -- calls

    async def _handle(self, request):
        body = await request.read()
        call = self._call_of(request, body)
        rule = self._judged(call)
        said = {"verb": call.verb, "subject": call.subject, "path": request.path}
        if rule is not None:
            said |= {"fault": rule.fault, "rule": self._number(rule)}
        try:
            answer = await self._answered(request, body, call, rule, said)
        except (aiohttp.ClientError, OSError) as error:
            self._log("call", said | {"status": 0, "error": type(error).__name__})
            return _hung_up(request)
        except Exception as error:
            self._log("broken", said | {"why": repr(error)})
            raise
        if answer is None or not answer.prepared:
            self._log("call", said | {"status": answer.status if answer is not None else 0})
        return answer if answer is not None else _hung_up(request)

    async def _answered(self, request, body, call, rule, said):
        """Return the answer, or None where the client gets none."""
        fault = rule.fault if rule is not None else None
        if fault == "reset":
            return None
        if fault == "answer":
            headers = {"Retry-After": str(rule.retry_after_s)} if rule.retry_after_s else {}
            return _json(rule.status, rule.body, headers)
        if fault == "delay":
            await asyncio.sleep(rule.seconds)
        if call.verb == "watch":
            return await self._watch(request, rule, said)
        return await self._spoilt(await self._forward(request, body), rule)

    async def _spoilt(self, answer, rule):
        """Return what the client gets of an answer of the server's."""
        match rule.fault if rule is not None else None:
            case "garble":
                return _json(answer.status, rule.body, {})
            case "lose_reply":
                return None
            case "stall":
                await asyncio.sleep(rule.seconds)
                return None
            case _:
                return answer

    async def _forward(self, request, body):
        async with self._session.request(
            request.method,
            self._server + request.raw_path,
            data=body or None,
            headers=_passed(request.headers),
            allow_redirects=False,
        ) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), headers=_passed(answer.headers)
            )

    def _call_of(self, request, body):
        found = PODS.match(request.path)
        if found is None:
            return Call(verb="other")
        name = found["name"]
        if name is None and "watch" in request.query:
            return Call(verb="watch")
        verb = (MANY if name is None else ONE).get(request.method, "other")
        if verb == "create":
            with contextlib.suppress(ValueError, KeyError):
                metadata = json.loads(body)["metadata"]
                self._subjects[metadata["name"]] = subject_of(
                    annotations=metadata.get("annotations") or {},
                    labels=metadata.get("labels") or {},
                )
                name = metadata["name"]
        return Call(verb=verb, subject=self._subjects.get(name, NOBODY))

    def _judged(self, call):
        if self._judge is None:
            return None
        return self._judge.of_call(call, at_s=self._at_s())

    def _number(self, rule):
        return self._judge.script.rules.index(rule)

    def _at_s(self):
        return time.time() - self._began_s

    # -- watches

    async def _watch(self, request, rule, said):
        if self._is_behind and not self._is_blind():
            self._is_behind = False
            for word in ("fault", "rule"):
                said.pop(word, None)  # Nothing else is done to it.
            return web.Response(body=json.dumps(GONE).encode() + b"\n")
        url = self._server + request.raw_path
        if rule is not None and rule.fault == "old_version":
            url = re.sub(r"resourceVersion=\d+", f"resourceVersion={rule.version}", url)
        async with self._session.get(url, headers=_passed(request.headers)) as upstream:
            if upstream.status != 200:
                return web.Response(
                    status=upstream.status,
                    body=await upstream.read(),
                    headers=_passed(upstream.headers),
                )
            answer = web.StreamResponse(headers=_passed(upstream.headers))
            await answer.prepare(request)
            self._log("call", said | {"status": answer.status})
            await self._pass_on(upstream, request, answer, rule)
            return answer

    async def _pass_on(self, upstream, request, answer, rule):
        """Stream an open watch until either side ends it."""
        self._watches[id(request)] = request
        try:
            if rule is not None and rule.fault == "freeze":
                await asyncio.sleep(rule.seconds)
            await self._stream(upstream, request, answer)
        except (aiohttp.ClientError, OSError):
            _hung_up(request)
        finally:
            del self._watches[id(request)]

    async def _stream(self, upstream, request, answer):
        """Pass events on as they are judged, until either side breaks it or a rule has ended."""
        late, buffer = [], b""
        while request.transport is not None and not request.transport.is_closing():
            try:
                chunk = await asyncio.wait_for(upstream.content.readany(), timeout=1)
            except TimeoutError:
                chunk = None
            buffer += chunk or b""
            *lines, buffer = buffer.split(b"\n")
            for line in filter(None, lines):
                late = await self._event(line, answer, late)
            if not chunk:  # Nothing comes that these could come after.
                for line in late:
                    await answer.write(line)
                late = []
            if chunk == b"":
                return
            if self._is_behind and not self._is_blind():
                return  # What was lost will not come again from here: only a new list tells.

    def _is_blind(self):
        return self._judge is not None and self._judge.is_blind_at(self._at_s())

    async def _event(self, line, answer, late):
        """Write the event as often as it is to come; return those that are to come later."""
        line += b"\n"
        metadata, kind = _event_metadata(line)
        rule = None
        if self._judge is not None and metadata.get("name"):
            subject = self._subjects.get(metadata["name"], NOBODY)
            rule = self._judge.of_event(subject, at_s=self._at_s())
            if rule is not None:
                hit = {"fault": rule.fault, "rule": self._number(rule)}
                self._log("event", hit | {"subject": subject, "type": kind})
        match rule.fault if rule is not None else None:
            case "drop":
                self._is_behind = True
                return late
            case "reorder":
                return [*late, line]
            case "repeat":
                await answer.write(line * 3)
            case _:
                await answer.write(line)
        for held in late:
            await answer.write(held)
        return []


def _event_metadata(line):
    try:
        event = json.loads(line)
        return event["object"].get("metadata") or {}, event.get("type", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, ""


def _json(status, body, headers):
    return web.Response(
        status=status, body=body.encode(), headers=headers, content_type="application/json"
    )


def _passed(headers):
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


def _hung_up(request):
    """Reset the connection under the request; what is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


def client_tls():
    """Return the context for the API server behind us; loopback, so no name is checked."""
    return ssl._create_unverified_context()
