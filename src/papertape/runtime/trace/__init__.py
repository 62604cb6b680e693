"""What a run did, taken down so finely that another run can be held against it. Without one a run loads none of this."""

from papertape.runtime.trace.trace import Trace

__all__ = ["Trace"]
