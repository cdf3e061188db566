import Foundation
import LocalAPIContract
import Testing

@Suite struct ProblemCodeTests {
    private static let words = [
        (ProblemCode.invalidJSON, "invalid_json"), (ProblemCode.invalidParameter, "invalid_parameter"),
        (ProblemCode.noSuchRoute, "no_such_route"), (ProblemCode.taskNotFound, "task_not_found"),
        (ProblemCode.endpointNotFound, "endpoint_not_found"), (ProblemCode.methodNotAllowed, "method_not_allowed"),
        (ProblemCode.bodyTooLarge, "body_too_large"),
        (ProblemCode.unsupportedMediaType, "unsupported_media_type"), (ProblemCode.invalidField, "invalid_field"),
        (ProblemCode.missingField, "missing_field"), (ProblemCode.unknownField, "unknown_field"),
        (ProblemCode.restartNeeded, "restart_needed"), (ProblemCode.badSetting, "bad_setting"),
        (ProblemCode.internalError, "internal_error"), (ProblemCode.busy, "busy"),
        (ProblemCode.notReady, "not_ready"), (ProblemCode.tooManyStreams, "too_many_streams"),
    ]

    @Test func `problems have the documented codes`() {
        for (code, word) in Self.words { #expect(code == word) }
    }

    @Test func `this test lists every code of the source`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = try String(
            contentsOf: root.appending(path: "Sources/LocalAPIContract/Documents/ProblemCode.swift"), encoding: .utf8)
        let codes = source.matches(of: /package static let \w+ = "(\w+)"/).map { String($0.output.1) }
        #expect(codes.sorted() == Self.words.map(\.1).sorted())
    }
}
