import TestSupport
import Testing

/// minidock as the runtime below the engines people run, each on a machine of its own (``EngineNode``).
///
/// One after another: an engine with its containers is a load that two processors can do without twice.
@Suite(.serialized, .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
enum UnderEngines {}
