import LocalAPIClient
import LocalAPIContract

/// Keeps the latest reply about each task and shows it: live on a terminal, a line per change in a pipe.
struct WaitReporter {
    private(set) var answers: [Answer<TaskDocument>]
    private let isLive: Bool
    private var live = LiveLines()
    private var frame = 0
    private var said: [Int: String] = [:]

    init(answers: [Answer<TaskDocument>], isLive: Bool) {
        self.answers = answers
        self.isLive = isLive
        for index in answers.indices { say(index) }
    }

    /// Stores a reply. In a pipe it prints the change.
    mutating func take(_ answer: Answer<TaskDocument>, at index: Int) {
        answers[index] = answer
        say(index)
    }

    /// Draws the next frame of the live lines.
    mutating func draw() {
        frame += 1
        draw(on: currentTerminal)
    }

    /// Prints the last state without cuts, because no frame follows.
    mutating func finish() {
        guard isLive else { return }
        var terminal = currentTerminal
        terminal.width = nil
        draw(on: terminal)
    }

    private mutating func draw(on terminal: Terminal) {
        live.draw(WaitDisplay(tasks: answers.map(\.document)).lines(on: terminal, frame: frame))
    }

    private mutating func say(_ index: Int) {
        guard !isLive else { return }
        let line = WaitDisplay.plainLine(for: answers[index].document)
        guard said[index] != line else { return }
        said[index] = line
        StandardError.write(line + "\n")
    }

    /// Read each time, because people resize their terminals.
    private var currentTerminal: Terminal { .ofStandardError(environment: ProcessEnvironment.variables) }
}
