"""The part of the watching program that makes it another day, and a shell text for another user.

See `agents.sandbox_scripts.watch`.
"""

# Another user's name and home; what Python finds of its packages in the old one stays.
OTHER_USER = (
    "export PYTHONUSERBASE=${PYTHONUSERBASE:-$HOME/.local} HOME=/tmp/.home USER=somebody "
    "LOGNAME=somebody USERNAME=somebody; mkdir -p /tmp/.home"
)

LATER = r"""
def later_watch(seconds):
    # Clocks that tell a date are ahead by so many seconds.
    import datetime, time
    real, real_date = datetime.datetime, datetime.date
    plain = {name: getattr(time, name) for name in (
        "time", "time_ns", "localtime", "gmtime", "ctime", "strftime") if hasattr(time, name)}

    def of_now(name):
        def told(at=None):
            return plain[name](plain["time"]() + seconds if at is None else at)
        return told

    for name in "localtime", "gmtime", "ctime":
        setattr(time, name, of_now(name))
    time.time = lambda: plain["time"]() + seconds
    time.time_ns = lambda: plain["time_ns"]() + seconds * 10 ** 9
    time.strftime = lambda form, at=None: plain["strftime"](
        form, time.localtime() if at is None else at)

    class OfKind(type):
        def __instancecheck__(cls, value):
            return isinstance(value, cls.real)

        def __subclasscheck__(cls, kind):
            return issubclass(kind, cls.real)

    class date(real_date, metaclass=OfKind):
        real = real_date

        @classmethod
        def today(cls):
            return real_date.fromtimestamp(time.time())

    class datetime_(real, metaclass=OfKind):
        @classmethod
        def now(cls, tz=None):
            return real.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls):
            return real.utcfromtimestamp(time.time())

        today = now

    datetime_.real = real
    datetime_.__name__ = datetime_.__qualname__ = "datetime"
    for kind in date, datetime_:
        kind.__module__ = "datetime"
    datetime.date, datetime.datetime = date, datetime_
"""
