import LocalAPIContract
import Testing

@testable import pollux

@Suite struct TableTests {
    private let table = Table(
        columns: [
            Table.Column(title: "NAME"), Table.Column(title: "COUNT", isRightAligned: true),
            Table.Column(title: "EMPTY"), Table.Column(title: "NOTE", givesWay: 1),
        ],
        rows: [
            [.init("a"), .init("7"), .init(""), .init("a note that is quite long")],
            [.init("a longer name"), .init("1234"), .init(""), .init("")],
        ])

    @Test func `columns fit their content, and an empty column is omitted`() {
        #expect(
            table.lines(on: .plain(now: noon)) == [
                "NAME           COUNT  NOTE",
                "a                  7  a note that is quite long",
                "a longer name   1234",
            ])
    }

    @Test func `on a terminal the flexible column is cut to fit the width`() {
        let lines = table.lines(on: .terminal(width: 32))
        #expect(lines[1] == "a                  7  a note th…")
        #expect(lines.allSatisfy { $0.columns <= 32 })
    }

    @Test func `an empty table prints no titles`() {
        #expect(TaskTable.table([], now: noon).lines(on: .plain(now: noon)) == [])
    }

    @Test func `wide characters take two columns`() {
        let table = Table(
            columns: [Table.Column(title: "A"), Table.Column(title: "B")],
            rows: [[.init("雨"), .init("x")], [.init("rain"), .init("x")]])
        #expect(table.lines(on: .plain(now: noon)) == ["A     B", "雨    x", "rain  x"])
    }

    @Test func `colour codes do not change the layout`() {
        let table = Table(
            columns: [Table.Column(title: "A"), Table.Column(title: "B")], rows: [[.init("x", .red), .init("y")]])
        #expect(table.lines(on: .terminal(width: 80, hasColour: true))[1] == "\u{1b}[31mx\u{1b}[0m  y")
    }

    @Test func `in a pipe ids and notes are not cut, and there is no colour`() {
        var task = TaskDocument.task(state: "failed")
        task.error = TaskDocument.Failure(code: "bad", message: String(repeating: "long ", count: 40))
        let text = TaskTable.table([task], now: noon).lines(on: .plain(now: noon)).joined(separator: "\n")
        #expect(text.contains(task.id))
        #expect(text.contains(String(repeating: "long ", count: 39)))
        #expect(!text.contains("\u{1b}") && !text.contains("\t") && !text.contains("…"))
    }

    @Test(arguments: [40, 60, 80, 120, 200])
    func `a list of tasks fits the terminal`(width: Int) {
        var tasks = TaskDocument.states.enumerated().map { TaskDocument.task($0.offset, state: $0.element) }
        tasks[2].waitingFor = TaskDocument.Reason(
            code: "look_up", message: "Looked up in the provider's list of tasks.")
        tasks[3].progress = 35
        tasks[3].eta = TaskDocument.Expectation(p50: noon.ahead(40), p90: noon.ahead(90))
        tasks[4].labels = ["batch": "7", "film": "dawn"]
        let lines = TaskTable.table(tasks, now: noon).lines(on: .terminal(width: width))
        // Below 80 columns the fixed columns alone may be wider.
        #expect(width < 80 || lines.allSatisfy { $0.columns <= width })
        #expect(lines.contains { $0.contains("running 35%") })
    }
}

@Suite struct PrintableTextTests {
    @Test func `an escape sequence is printed without its escape character`() {
        #expect("a\u{1b}[31mb\nc\u{7}\u{9b}d\u{202e}e".printable == "a [31mb c  d e")
        #expect("rain, 雨, 🌧️, e\u{301}".printable == "rain, 雨, 🌧️, e\u{301}")
    }

    @Test(arguments: [
        ("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("雨雨雨", 4, "雨…"), ("abc", 1, "…"), ("abc", 0, ""),
    ])
    func `truncated text fits its width`(text: String, width: Int, cut: String) {
        #expect(text.truncated(to: width) == cut)
        #expect(cut.columns <= width)
    }
}

@Suite struct TerminalTests {
    @Test func `colour is off for NO_COLOR and dumb terminals`() {
        #expect(Terminal.wantsColour([:]))
        #expect(Terminal.wantsColour(["NO_COLOR": ""]))
        #expect(!Terminal.wantsColour(["NO_COLOR": "1"]))
        #expect(!Terminal.wantsColour(["TERM": "dumb"]))
    }
}
