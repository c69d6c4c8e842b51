"""Optuna's dashboard for a study: its database, pictures of its trials, and additional figures."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from matplotlib.figure import Figure

from calibrate.errors import CalibrateError, StoreError
from calibrate.figures import (
    history_figure,
    importance_figure,
    looseness_figure,
    map_figure,
    raster_figure,
    slices_figure,
    verdict_figure,
)
from calibrate.figures.style import png
from calibrate.results.maps import main_axes
from calibrate.results.results import Results
from calibrate.store import Gallery, runs_of
from calibrate.study import Study
from calibrate.study.up_states import find_up_states

RASTER = "raster.png"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
FIRST_PORT = 8080
PORTS = 20


def study_figures(results: Results) -> dict[str, bytes]:
    """Draw the figures of a study for its page in the dashboard, by file name, if it has enough trials."""
    names = [objective.name for objective in results.study.objectives][:5]
    draw: dict[str, Callable[[], Figure]] = {
        "history": lambda: history_figure(results),
        "slices": lambda: slices_figure(results),
        "importance": lambda: importance_figure(results),
        "looseness": lambda: looseness_figure(results),
    }
    axes = main_axes(results)
    if axes is not None:
        draw["map"] = lambda: map_figure(results, *axes, ["loss", *names])
    verdict = next((v for v in reversed(results.verdicts) if not v.exact and len(v.simulators) > 1), None)
    if verdict is not None:
        draw["validation"] = lambda: verdict_figure(verdict)
    files = {}
    for name, figure in draw.items() if results.counts["complete"] else ():
        try:
            files[f"{name}.png"] = png(figure())
        except CalibrateError:
            continue  # too few trials for this figure
    return files


def hang(results: Results, gallery: Gallery, *, simulate: bool, say: Callable[[str], None]) -> None:
    """Add figures of the study, and a raster of its best trial if that has none yet.

    simulate  whether the best network can be simulated again for the raster, since a search keeps no spikes
    """
    gallery.add(study_figures(results))
    best = results.best
    for condition in results.study.conditions if best is not None and simulate else ():
        name = f"raster-{condition.name}.png" if condition.name else RASTER
        if best is None or gallery.has(best.number, name):
            continue
        where = f" in condition {condition.name}" if condition.name else ""
        say(f"Simulating trial {best.number} again for its raster{where}.")
        try:
            observation = results.simulate(best.number, condition=condition.name).observation
        except CalibrateError as error:
            say(f"It has no raster: {error}")
            return
        figure = raster_figure(observation, up_states=find_up_states(results.study, observation))
        gallery.add_to_trial(best.number, {name: png(figure)})


def serve(
    study: Study,
    url: str,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve Optuna's dashboard for the database of a study until interrupted.

    Figures of the study and the raster of its best trial are added first. Nothing is simulated while the
    study is running.

    host, port  to listen on; by default the first free port from 8080 on, for this machine only
    browser     whether to open the dashboard in a browser

    Raises StoreError if the database cannot be used or the port is in use.
    """
    from optuna.artifacts import FileSystemArtifactStore
    from optuna_dashboard import wsgi

    gallery = Gallery(study, url)
    app = wsgi(gallery.storage, artifact_store=FileSystemArtifactStore(gallery.folder))
    with _server(app, host, port) as server:
        hang(Results(study, url), gallery, simulate=not runs_of(study, url), say=say)
        address = f"http://{host}:{server.server_port}/dashboard/studies/{gallery.study_id}"
        if host not in LOOPBACK:
            say(f"warning: everyone who can reach {host} can see and change this study")
        say(f"Optuna's dashboard: {address} (Ctrl-C ends it)")
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("Closed.")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # A dashboard that was just closed must not block the port.
    allow_reuse_address = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def _server(app: Any, host: str, port: int | None) -> WSGIServer:
    ports = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else [port]
    reason = ""
    for number in ports:
        try:
            if _in_use(host, number):
                reason = "it is in use"
                continue
            return make_server(host, number, app, server_class=_Server, handler_class=_Quiet)
        except OSError as error:
            reason = error.strerror or str(error)
    which = f"port {ports[0]}" if len(ports) == 1 else f"ports {ports[0]} to {ports[-1]}"
    raise StoreError(f"cannot listen on {host}, {which}: {reason}; choose another with --port")


def _in_use(host: str, port: int) -> bool:
    """Return whether a server listens there already: since addresses are reused, binding would succeed."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return port != 0 and probe.connect_ex((host, port)) == 0
