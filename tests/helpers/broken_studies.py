"""Study files with one mistake each, and the line that says so."""

from __future__ import annotations

BROKEN: dict[str, tuple[str, str, str]] = {
    # what it is: (old text, new text, pattern of the one line)
    "syntax": ("seed = 3", "seed 3", r":2: \[TOML\] not valid: Expected '='"),
    "unquoted plus": ('"J+" = 2', "J+ = 2", r":9: \[TOML\] .*quotes"),
    "key twice": ("seed = 3", "seed = 3\nseed = 4", r":3: \[TOML\] .*overwrite"),
    "unknown table": ("[budget]", "[budgets]", r":32: \[budgets\] unknown table.*'budget'"),
    "unknown key": (
        "duration_ms",
        "duration",
        r":16: \[simulation\] duration is not a valid key.*'duration_ms'",
    ),
    "text for a number": ("dt_ms = 1.0", 'dt_ms = "1"', r':14: \[simulation\] dt_ms must be a number: "1"'),
    "number for a text": ('statistic = "rate_E"', "statistic = 3", r":19: .*statistic must be a string"),
    "broken whole number": (
        "trials = 8",
        "trials = 8.5",
        r":33: \[budget\] trials must be a whole number: 8.5",
    ),
    "no trials": ("trials = 8", "trials = 0", r":33: \[budget\] trials must be at least 1: 0"),
    "infinite": ("trials = 8", "wall_s = inf", r":33: \[budget\] wall_s must be a finite number: inf"),
    "no end": ("trials = 8", "loss = 1.0", r":32: \[budget\] sets no limit; add trials"),
    "negative duration": ("duration_ms = 2000", "duration_ms = -1", r":16: .*must be above 0: -1"),
    "not whole steps": (
        "warmup_ms = 0.0",
        "warmup_ms = 0.5",
        r":15: \[simulation\] warmup_ms: .*whole number",
    ),
    "unknown backend": (
        '"poisson"',
        '"nets"',
        r":13: .*one of auto, genn, nest, poisson, own .*'nest'.*\"nets\"",
    ),
    "unknown model": (
        '"tiny.py:tiny"',
        '"ei_clusterd"',
        r":5: \[model\] name: .*did you mean 'ei_clustered'",
    ),
    "no such file": (
        '"tiny.py:tiny"',
        '"tin.py:tiny"',
        r":5: \[model\] name: the file .*tin.py does not exist",
    ),
    "not a model": ('"tiny.py:tiny"', '"statistics.py:thirteen"', r":5: \[model\] name: .* of type int"),
    "unknown parameter": ('"J+" = 2', '"J++" = 2', r":9: \[parameters\] J\+\+ is not a parameter .*'J\+'"),
    "value of a wrong type": ('"J+" = 2', '"J+" = "2"', r":9: \[parameters\] J\+: .*takes a number, not '2'"),
    "value out of bounds": ('"J+" = 2', '"J+" = -2', r":9: \[parameters\] J\+: .*at least 0 ?, not -2"),
    "empty range": (
        "I_E = { low = 0.1",
        "I_E = { low = 5",
        r":8: \[parameters\] I_E has an empty range, low = 5",
    ),
    "range out of bounds": ("I_E = { low = 0.1", "I_E = { low = -1", r":8: \[parameters\] I_E: .*at least 0"),
    "range without an end": ('"J+" = 2', '"J+" = {low = 1}', r":9: \[parameters\] J\+ needs high"),
    "unknown key of a range": (
        '"J+" = 2',
        '"J+" = {lo = 1, high = 2}',
        r":9: .* J\+.lo is not a valid key .*'low'",
    ),
    "log from 0": (
        '"J+" = 2',
        '"J+" = {low = 0, high = 1, log = true}',
        r":9: .*needs low above 0 on a log scale: 0",
    ),
    "log and step": ('"J+" = 2', '"J+" = {low = 1, high = 3, log = true, step = 1}', r":9: .*log and step"),
    "range of texts": (
        '"J+" = 2',
        "rule = {low = 1, high = 2}",
        r':9: .*choices, not a range; .*\["a", "b"\]',
    ),
    "unknown choice": (
        '"J+" = 2',
        'rule = {choices = ["a", "c"]}',
        r":9: .*rule must be one of a, b, not 'c'",
    ),
    "choice twice": ('"J+" = 2', 'rule = {choices = ["a", "a"]}', r":9: .*contains a choice twice"),
    "choices and range": ('"J+" = 2', '"J+" = {choices = [1, 2], low = 1}', r":9: .*has choices and low"),
    "broken whole range": ('"J+" = 2', "N_E = {low = 2, high = 4.5}", r":9: \[parameters\] N_E needs whole"),
    "points without grid": ('"J+" = 2', '"J+" = {low = 1, high = 2, points = 3}', r":9: .*grid sampler"),
    "rule of the model": (
        '"J+" = 2',
        "N_Q = 3",
        r":9: \[parameters\] N_Q breaks a rule of tiny: .*divisible",
    ),
    "unknown statistic": (
        '"rate_E"',
        '"rat_E"',
        r":19: \[objectives 1\] statistic: there is no 'rat_E'.*'rate_E'",
    ),
    "unknown population": (
        '"rate_E"',
        '"rate_X"',
        r":19: \[objectives 1\] .*an unknown population: \"X\"",
    ),
    "unknown option": ('source = "a recording"', "options = {bin = 3}", r":19: .*rate has no option 'bin'"),
    "not a statistic": ('"rate_E"', '"statistics.py:thirteen"', r":19: .*is a int; decorate it"),
    "no target": ("target = 5.0", "", r":18: \[objectives 1\] needs a target"),
    "two targets": ("target = 5.0", "target = 5.0\ninterval = [1, 2]", r":18: .*a target and an interval"),
    "no tolerance": ("tolerance = 1.0", "", r":18: \[objectives 1\] tolerance is missing; add"),
    "interval of one": ("[9, 11]", "[9]", r":26: .*must be a list of 2 values: \[9\]"),
    "interval upside down": ("[9, 11]", "[11, 9]", r":24: \[objectives 2\]: .*the lower one first"),
    "objective twice": (
        '"rate_I"',
        '"rate_E"',
        r":24: \[objectives 2\] has the same name as an earlier one: \"rate_E\"",
    ),
    "unknown sampler": (
        '"random"',
        '"randon"',
        r":30: \[sampler\] name must be one of .*'random'.*: \"randon\"",
    ),
    "constraint without bounds": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\n\n[budget]',
        r":32: \[constraints 1\] ?: a constraint needs min or max",
    ),
    "constraint upside down": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmin = 9.0\nmax = 3.0\n\n[budget]',
        r":32: \[constraints 1\].*min must not be above max",
    ),
    "constraint on an unknown statistic": (
        "[budget]",
        '[[constraints]]\nstatistic = "rat_E"\nmax = 3.0\n\n[budget]',
        r":33: \[constraints 1\] statistic.*rat_E.*'rate",
    ),
    "constraint with a target": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\ntarget = 3.0\n\n[budget]',
        r":34: \[constraints 1\] target is not a valid key; valid keys are statistic, name, .*min, max",
    ),
    "stage without a constraint": (
        "[budget]",
        "[[stages]]\nduration_ms = 500\n\n[budget]",
        r":32: \[stages\] have no effect: .*add \[\[constraints\]\]",
    ),
    "stage as long as the simulation": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = 9.0\n[[stages]]\nduration_ms = 2000\n\n[budget]',
        r":36: \[stages 1\] duration_ms must be shorter than \[simulation\] duration_ms, 2000 ms: 2000",
    ),
    "stages as a table": (
        "[budget]",
        "[stages]\nduration_ms = 500\n\n[budget]",
        r":32: \[stages\] must be a list of tables",
    ),
    "graphs that are none": (
        "confirm = 0",
        "graphs = 0",
        r":36: \[replicates\] graphs must be at least 1: 0",
    ),
    "plateau of no trials": ("trials = 8", "plateau = 0", r":33: \[budget\] plateau must be at least 1: 0"),
    "prior point outside": (
        "[budget]",
        "[prior]\npoints = [{ I_E = 5.0 }]\n\n[budget]",
        r":33: \[prior\] points point 1 has I_E outside its range: 5.0",
    ),
    "prior point of a fixed parameter": (
        "[budget]",
        '[prior]\npoints = [{ "J+" = 1.0 }]\n\n[budget]',
        r":33: \[prior\] points point 1 names J\+, which is not free",
    ),
    "expression that is none": (
        '"J+" = 2',
        '"J+" = { expression = "I_E +" }',
        r":9: \[parameters\] J\+: 'I_E \+' is not an expression",
    ),
    "expression of an unknown parameter": (
        '"J+" = 2',
        '"J+" = { expression = "I_X / 2" }',
        r":9: \[parameters\] J\+ expression uses I_X, not a parameter of tiny.*I_E",
    ),
    "expressions in a circle": (
        '"J+" = 2',
        '"J+" = { expression = "N_E" }\nN_E = { expression = "2 * \'J+\'" }',
        r"\[parameters\].*the expressions depend on each other in a circle: ",
    ),
    "expression without a value": (
        '"J+" = 2',
        '"J+" = { expression = "1 / (I_E - I_E)" }',
        r":9: \[parameters\] J\+ .*1 / \(I_E - I_E\): it cannot be evaluated: float division by zero",
    ),
    "expression for a text": (
        '"J+" = 2',
        'rule = { expression = "I_E" }',
        r":9: \[parameters\] rule is not a number and cannot have an expression",
    ),
    "tolerance below the standard error": (
        "tolerance = 1.0",
        "tolerance = 0.01\nstandard_error = 0.02",
        r":21: \[objectives 1\] tolerance is below the standard error that is given for rate_E, 0.02: 0.01; "
        r"raise it, or correct standard_error",
    ),
    "seed of the simulation below 0": (
        "duration_ms = 2000",
        "duration_ms = 2000\nseed = -1",
        r":17: \[simulation\] seed must be at least 0: -1; seed is",
    ),
    "seed of the simulation too large": (
        "duration_ms = 2000",
        "duration_ms = 2000\nseed = 4294967296",
        r":17: \[simulation\] seed must be below 4294967296: 4294967296",
    ),
    "pareto as a text": (
        "seed = 3",
        'seed = 3\npareto = "yes"',
        r':3: \[study\] pareto must be true or false: "yes"',
    ),
    "negative standard error": (
        "tolerance = 1.0",
        "tolerance = 1.0\nstandard_error = -1",
        r":22: \[objectives 1\] standard_error must be at least 0: -1",
    ),
    "constraint with the name of another statistic": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_I"\nname = "rate_E"\nmax = 60.0\n\n[budget]',
        r':32: \[constraints 1\] has the name of an objective, .*: "rate_E"; rename one of them',
    ),
    "constraint twice": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = 60\n'
        '[[constraints]]\nstatistic = "rate_E"\nmin = 1\n\n[budget]',
        r':35: \[constraints 2\] has the same name as an earlier one: "rate_E"; rename one',
    ),
    "constraint without end": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = inf\n\n[budget]',
        r":34: \[constraints 1\] max must be a finite number: inf; max is: highest",
    ),
    "constraint on an unknown population": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_X"\nmax = 60\n\n[budget]',
        r':33: \[constraints 1\] statistic refers to an unknown population: "X"; populations are E, I',
    ),
    "stage of broken steps": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = 9\n[[stages]]\nduration_ms = 500\nwarmup_ms = 0.5\n\n'
        "[budget]",
        r":37: \[stages 1\] warmup_ms: a time of 0.5 ms is not a whole number of 1 ms steps",
    ),
    "stages that do not grow": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = 9\n[[stages]]\nduration_ms = 500\n'
        "[[stages]]\nduration_ms = 500\n\n[budget]",
        r":36: \[stages 1\] duration_ms must be shorter than the next stage, 500 ms: 500.0; shorten it",
    ),
    "further graphs below 0": (
        "confirm = 0",
        "confirm = -1",
        r":36: \[replicates\] confirm must be at least 0: -1",
    ),
    "broken number of fresh graphs": (
        "fresh = 0",
        "fresh = 1.5",
        r":37: \[replicates\] fresh must be a whole number: 1.5",
    ),
    "prior point of a broken whole number": (
        "I_I = { low = 0.1, high = 4.0 }",
        "N_E = { low = 20, high = 80, step = 20 }\n[prior]\npoints = [{ N_E = 40.0 }]",
        r":12: \[prior\] points point 1 has N_E, which must be a whole number: 40.0; write 40",
    ),
    "prior point of nothing": (
        "[budget]",
        "[prior]\npoints = [{}]\n\n[budget]",
        r":33: \[prior\] points point 1 names no parameter; free parameters are I_E, I_I",
    ),
    "prior point that is none": (
        "[budget]",
        "[prior]\npoints = [3]\n\n[budget]",
        r":33: \[prior\] points.0 must be a table \{...\}: 3",
    ),
    "prior study with a path": (
        "[budget]",
        '[prior]\nstudy = "a/b"\n\n[budget]',
        r':33: \[prior\] study may contain only letters.*: "a/b"',
    ),
    "expression and a range": (
        '"J+" = 2',
        '"J+" = { expression = "I_E", low = 1 }',
        r":9: \[parameters\] J\+.low is not a valid key; valid keys are expression",
    ),
    "expression that breaks a bound": (
        '"J+" = 2',
        '"J+" = { expression = "I_E - 1" }',
        r":9: \[parameters\] J\+ .*at least 0 ?, not -0.9; at I_E = 0.1, I_I = 0.1; narrow the ranges",
    ),
    "expression of a text": (
        '"J+" = 2',
        '"J+" = { expression = "rule * 2" }',
        r":9: \[parameters\] J\+ .*rule \* 2: rule is 'a', not a number",
    ),
    "one choice": (
        '"J+" = 2',
        'rule = { choices = ["a"] }',
        r":9: \[parameters\] rule.choices must be a list of at least 2 values: \['a'\]",
    ),
    "a number beyond floats": (
        '"J+" = 2',
        '"J+" = 0x' + "f" * 5000,
        r":9: \[parameters\] J\+ is too large for a number: a number with thousands of digits; it is",
    ),
    "unknown option of the sampler": (
        '"random"',
        '"random"\nstartup = 3',
        r":31: \[sampler\] startup is not a valid key",
    ),
    "name of a study": (
        "seed = 3",
        'name = "a/b"',
        r":2: \[study\] name may contain only letters.*: \"a/b\"",
    ),
    "rule at a corner": (
        "I_I = { low = 0.1, high = 4.0 }",
        "I_I = { low = 0.1, high = 8.0 }",
        r"\[parameters\] I_E breaks a rule of tiny: .*above 11; at I_E = 4.0, I_I = 8.0; narrow",
    ),
    "not whole bins": (
        "dt_ms = 1.0\nwarmup_ms = 0.0\nduration_ms = 2000",
        "dt_ms = 0.5\nwarmup_ms = 0.0\nduration_ms = 2000.5",
        r":16: \[simulation\] duration_ms must be a multiple of the 1 ms bins .*: 2000.5",
    ),
}
