import Synchronization
import TaskModel

/// Records the events of a history: a fingerprint of all, and the last ones as text.
final class Trace: Sendable {
    private struct State {
        var lines: [String] = []
        var first = 0
        var count = 0
        // FNV-1a, 64 bits.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    }

    private let state = Mutex(State())
    private let clock: SimulatedClock
    private let tail: Int

    init(clock: SimulatedClock, tail: Int) {
        self.clock = clock
        self.tail = tail
    }

    /// Records an event.
    func note(_ text: String) {
        let steady = clock.steady
        state.withLock { state in
            for byte in text.utf8 { state.hash = (state.hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            state.hash = (state.hash ^ UInt64(bitPattern: steady)) &* 0x100_0000_01b3
            state.count += 1
            let line = "\(steady) \(text)"
            if state.lines.count < tail {
                state.lines.append(line)
            } else {
                state.lines[state.first] = line
                state.first = (state.first + 1) % tail
            }
        }
    }

    /// Equal histories have equal fingerprints; others differ.
    var fingerprint: UInt64 { state.withLock { $0.hash } }
    /// The number of events.
    var count: Int { state.withLock { $0.count } }
    /// The last events, each with its time in milliseconds.
    var lastLines: [String] { state.withLock { Array($0.lines[$0.first...] + $0.lines[..<$0.first]) } }
}
