import functools

import pytest

from gateway import Worker, evt
from gateway.errors import AlreadyRegistered
from gateway.events import InterventionEvent
from gateway.sdk import WorkerContext
from gateway.sdk.worker_bindings import WorkerBindings


def handle(event):
    return 0


def handle_more(event, first, second=None):
    return 0


def test_a_decorated_handler_stays_a_function():
    worker = Worker("store")

    @worker.on(evt.EVT_C_STORE, redeliver=True, durable=True, deadline=5)
    def store(event):
        return 0

    assert store(None) == 0
    assert worker.get_handlers(evt.EVT_C_STORE) == (store, None)
    (bound,) = worker.bound("EVT_C_STORE")
    assert (bound.redeliver, bound.durable, bound.deadline) == (True, True, 5)


def test_defaults_of_a_binding():
    worker = Worker("w")
    worker.bind(evt.EVT_C_ECHO, handle)
    (bound,) = worker.bound("EVT_C_ECHO")
    assert (bound.redeliver, bound.durable, bound.deadline, bound.args) == (False, False, 30.0, ())
    assert worker.concurrency == 8


def test_args_are_kept():
    worker = Worker("w")
    worker.bind(evt.EVT_C_STORE, handle_more, ["archive"])
    assert worker.get_handlers(evt.EVT_C_STORE) == (handle_more, ["archive"])


def test_many_handlers_watch():
    worker = Worker("w")
    worker.bind(evt.EVT_RELEASED, handle)
    worker.bind(evt.EVT_RELEASED, handle_more, [1])
    worker.bind(evt.EVT_RELEASED, handle)  # once more: nothing new
    assert worker.get_handlers(evt.EVT_RELEASED) == [(handle, None), (handle_more, [1])]


def test_events_by_name():
    worker = Worker("w")
    for event in (evt.EVT_RELEASED, evt.EVT_C_ECHO, evt.EVT_C_STORE):
        worker.bind(event, handle)
    assert worker.get_events() == [evt.EVT_C_ECHO, evt.EVT_C_STORE, evt.EVT_RELEASED]
    assert worker.get_handlers(evt.EVT_C_FIND) == []


def test_unbind():
    worker = Worker("w")
    worker.bind(evt.EVT_C_STORE, handle)
    worker.bind(evt.EVT_RELEASED, handle)
    worker.unbind(evt.EVT_RELEASED, handle_more)
    worker.unbind(evt.EVT_ABORTED, handle)
    worker.unbind(evt.EVT_C_STORE, handle)
    assert worker.get_events() == [evt.EVT_RELEASED]
    worker.bind(evt.EVT_C_STORE, handle_more, [1])


def test_a_second_handler_for_an_intervention_is_refused():
    worker = Worker("w")
    worker.bind(evt.EVT_C_STORE, handle)
    with pytest.raises(ValueError, match=r"EVT_C_STORE is answered by one handler.*bound handle"):
        worker.bind(evt.EVT_C_STORE, handle_more, [1])


@pytest.mark.parametrize(
    "event", ["EVT_C_STORE", None, InterventionEvent("EVT_C_STORE", "another of that name")]
)
def test_an_unknown_event_is_refused(event):
    with pytest.raises(ValueError, match=r"is not an event of gateway\.evt"):
        Worker("w").bind(event, handle)


@pytest.mark.parametrize("handler", [None, 17, "handle"])
def test_what_cannot_be_called_is_refused(handler):
    with pytest.raises(TypeError, match="must be callable"):
        Worker("w").bind(evt.EVT_C_STORE, handler)


@pytest.mark.parametrize(
    ("handler", "args"),
    [
        (lambda: 0, None),
        (handle, ["one too many"]),
        (handle_more, None),
        (handle_more, [1, 2, 3]),
        (functools.partial(handle_more, 1, 2), ["x"]),
    ],
)
def test_a_handler_of_another_shape_is_refused(handler, args):
    with pytest.raises(TypeError, match="cannot be called as"):
        Worker("w").bind(evt.EVT_C_STORE, handler, args)


def test_callable_objects_partials_methods_and_builtins_are_handlers():
    class Archive:
        def __call__(self, event):
            return 0

        def store(self, event, where):
            return 0

    worker = Worker("w")
    worker.bind(evt.EVT_C_STORE, Archive())
    worker.bind(evt.EVT_C_ECHO, functools.partial(handle_more, first=1))
    worker.bind(evt.EVT_N_DELETE, Archive().store, ["here"])
    worker.bind(evt.EVT_RELEASED, print)
    worker.bind(evt.EVT_ABORTED, max)


def test_a_generator_cannot_answer_once():
    def find(event):
        yield 0xFF00, None

    async def find_async(event):
        yield 0xFF00, None

    for handler in (find, find_async):
        with pytest.raises(TypeError, match="is a generator, but EVT_C_STORE has one answer"):
            Worker("w").bind(evt.EVT_C_STORE, handler)
        Worker("w").bind(evt.EVT_C_FIND, handler)


@pytest.mark.parametrize("option", [{"redeliver": True}, {"durable": True}])
def test_notifications_are_not_redelivered(option):
    with pytest.raises(ValueError, match="is a notification"):
        Worker("w").bind(evt.EVT_RELEASED, handle, **option)


@pytest.mark.parametrize("deadline", [0, -1, float("nan")])
def test_a_deadline_lies_ahead(deadline):
    with pytest.raises(ValueError, match="deadline"):
        Worker("w").bind(evt.EVT_C_STORE, handle, deadline=deadline)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "x" * 65, "\n", "é", None, 7])
def test_bad_names_are_refused(name):
    with pytest.raises(ValueError, match="name"):
        Worker(name)


@pytest.mark.parametrize("concurrency", [0, -1, 1025])
def test_bad_concurrency_is_refused(concurrency):
    with pytest.raises(ValueError, match="concurrency"):
        Worker("w", concurrency=concurrency)


def test_hooks_and_context(tmp_path):
    worker = Worker("w")

    @worker.on_start
    def begin():
        """Called by the runner."""

    @worker.on_stop
    def end():
        """Called by the runner."""

    assert (worker.start_hooks, worker.stop_hooks) == ([begin], [end])
    with pytest.raises(RuntimeError, match="has no context before it is started"):
        _ = worker.context
    worker.context = WorkerContext(tmp_path, durable=False, options={"a": 1}, member=2)
    assert worker.context.options == {"a": 1}


class Following:
    def __init__(self):
        self.times = 0
        self.error = None

    def rebind(self):
        self.times += 1
        if self.error:
            raise self.error


def test_a_running_worker_is_followed():
    worker, following = Worker("w"), Following()
    worker.bind(evt.EVT_C_ECHO, handle)
    worker.follow(following)
    worker.bind(evt.EVT_C_STORE, handle)
    worker.unbind(evt.EVT_C_STORE, handle)
    worker.unbind(evt.EVT_C_STORE, handle)  # was not bound
    assert following.times == 2


def test_a_refused_bind_changes_nothing():
    worker, following = Worker("w"), Following()
    worker.follow(following)
    following.error = AlreadyRegistered("EVT_C_STORE is held by other")
    with pytest.raises(AlreadyRegistered, match="held by other"):
        worker.bind(evt.EVT_C_STORE, handle)
    assert worker.get_events() == []


def test_repr_names_what_is_bound():
    worker = Worker("w")
    assert repr(worker) == "<Worker w: nothing bound>"
    worker.bind(evt.EVT_C_ECHO, handle)
    assert repr(worker) == "<Worker w: EVT_C_ECHO>"


FIND_UID = "1.2.840.10008.5.1.4.31"


def test_sop_classes_and_what_is_sent_are_registered():
    worker = Worker("w")
    worker.bind(evt.EVT_C_FIND, handle, sop_classes=[FIND_UID, FIND_UID], sends=["1.2.3"])
    worker.bind(evt.EVT_C_STORE, handle)
    worker.bind(evt.EVT_RELEASED, handle, sends=["1.2.4"])
    registered = WorkerBindings.of(worker)
    assert {b.event: b.sop_classes for b in registered.bindings} == {
        "EVT_C_FIND": (FIND_UID,),
        "EVT_C_STORE": None,
    }
    assert registered.sends == ("1.2.3", "1.2.4")
    worker.unbind(evt.EVT_RELEASED, handle)
    assert WorkerBindings.of(worker).sends == ("1.2.3",)


@pytest.mark.parametrize(
    ("event", "options", "error", "text"),
    [
        (evt.EVT_C_FIND, {"sop_classes": FIND_UID}, TypeError, "a list of UIDs"),
        (evt.EVT_C_FIND, {"sop_classes": []}, ValueError, "would never be called"),
        (evt.EVT_C_FIND, {"sop_classes": ["1.02"]}, ValueError, "not a valid UID"),
        (evt.EVT_C_MOVE, {"sop_classes": [FIND_UID]}, ValueError, "has no C-MOVE"),
        (evt.EVT_N_SET, {"sop_classes": ["1.2.3"]}, ValueError, "has no N-SET"),
        (evt.EVT_ASSOCIATE, {"sop_classes": ["1.2.3"]}, ValueError, "not about a SOP class"),
        (evt.EVT_RELEASED, {"sop_classes": ["1.2.3"]}, ValueError, "not about a SOP class"),
        (evt.EVT_RELEASED, {"sends": "1.2.3"}, TypeError, "a list of UIDs"),
        (evt.EVT_RELEASED, {"sends": ["x"]}, ValueError, "not a valid UID"),
    ],
)
def test_wrong_lists_of_sop_classes_are_refused(event, options, error, text):
    with pytest.raises(error, match=text):
        Worker("w").bind(event, handle, **options)
    with pytest.raises(error, match=text):
        Worker("w").on(event, **options)(handle)


def test_private_classes_can_be_named_for_storage():
    Worker("w").bind(evt.EVT_C_STORE, handle, sop_classes=["1.2.3"])
