"""What people and programs call the times of spikes, their units, and what files say about both."""

from __future__ import annotations

import re

_WORDS = {
    "s": "s sec secs second seconds",
    "ms": "ms msec msecs millisecond milliseconds",
    "us": "us µs μs usec usecs microsecond microseconds",
    "samples": "sample samples frame frames",
}
_UNITS_OF_TIME = {word: unit for unit, words in _WORDS.items() for word in words.split()}
# "time_ms", "Spike times (s)", "t [ms]", "spikes in seconds"
_ENDING = re.compile(r"^(.*?)(?:[\s_.,/-]+(?:in[\s_]+)?|\s*[(\[])([a-zµμ]+)[)\]]?$", re.IGNORECASE)
# "timeMs", "spikeTimesSec"
_CAMEL = re.compile(r"^(.*[a-z])(Ms|Msec|Sec|Secs|Seconds|Samples)$")

# All without case, spaces, points and the unit of time.
_NAMES = {
    "times": "time times t ts spiketime spiketimes spikets spiket tspike timestamp timestamps "
    "spiketimestamps st spt sample samples spikesample spikesamples spikeindex spikeindexes",
    "rather times": "ts timestamp timestamps",
    "spikes": "spikes spike spk spks spiketrain spiketrains trains train tspikes",
    "units": "unit units unitid unitids neuron neurons neuronid neuronids neuronindex cell cells cellid "
    "cellids clusterid clusterids clu spikecluster spikeclusters spikelabel spikelabels sender senders "
    "nodeid nodeids gid gids",
    "rather units": "i id ids index indices label labels channel channels",
    "clusters": "cluster clusters",
    "labels": "id ids uid name names",
    "sampling rates": "fs samplingrate samplerate samplingfrequency samplefrequency srate sr",
    "units of time": "timeunit timeunits unitoftime spikeunit spikeunits spiketimeunits units",
    "stops": "tstop tend stoptime endtime recordingstop duration recordingduration sessionduration "
    "recordinglength simtime simulationtime totaltime",
    "bins": "dt bin binwidth binsize binlength timestep resolution",
    "windows": "window trialwindow timewindow analysiswindow",
    "lengths of trials": "trialduration triallength trialdur",
    "conditions": "condition conditions trialcondition trialconditions conditionlabels stimulus stimuli stim "
    "stimid trialtype trialtypes triallabels",
}


def is_called(name: str, *whats: str) -> bool:
    """Whether a name, whatever its unit of time, is one of those of some kinds, such as "times"."""
    plain = split_name(name)[0]
    return any(plain in _NAMES[what].split() for what in whats)


def read_unit(word: object) -> str | None:
    """The unit of time that a word such as "Seconds" names: s, ms, us or samples; None for others."""
    return _UNITS_OF_TIME.get(str(word).strip().casefold())


def split_name(name: str) -> tuple[str, str | None]:
    """A name without its unit of time, and the unit: "Spike times (s)" is "spiketimes" and "s"."""
    for pattern in (_ENDING, _CAMEL):
        match = pattern.match(name.strip())
        if match and match[1] and (unit := read_unit(match[2])):
            return _plain(match[1]), unit
    return _plain(name), None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
