import Testing

/// What the commands promise, held against the built programs: one test at a time, since several of them measure.
@Suite(.serialized) struct ProcessTests {}
