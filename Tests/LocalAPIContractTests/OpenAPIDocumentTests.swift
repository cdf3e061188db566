import Foundation
import LocalAPIContract
import Testing
import VerbatimJSON

/// Compares the OpenAPI document, which is written by hand, with the code.
@Suite struct OpenAPIDocumentTests {
    private let document: JSONValue

    init() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appending(path: "Sources/LocalAPI/openapi.json")
        document = try JSONValue(parsing: Data(contentsOf: file))
    }

    @Test func `the document has exactly the routes of the API`() {
        #expect(document["paths"]?.object?.names.sorted() == LocalAPIRoute.allCases.map(\.rawValue).sorted())
    }

    @Test func `every operation has a unique id`() {
        let operations = (document["paths"]?.object?.members ?? []).flatMap { $0.value.object?.members ?? [] }
        let ids = operations.compactMap { $0.value["operationId"]?.string }
        #expect(ids.count == operations.count)
        #expect(Set(ids).count == ids.count)
    }

    @Test func `the schemas have the fields that are written, in the same order`() throws {
        let task = TaskDocument(id: "x", endpoint: "a/b", state: "queued", createdAt: "2026-11-23T14:00:00.000Z")
        #expect(fields(of: "Task") == task.json.object?.names)
        var finished = task
        finished.results = [TaskDocument.Result(kind: "id", pointer: "", value: "x")]
        #expect(fields(of: "Result") == finished.json["results"]?.array?.first?.object?.names)
        #expect(fields(of: "Endpoint") == EndpointDocument(name: "a/b", provider: "p").json.object?.names)
        let event = EventDocument(sequence: 1, taskID: "x", at: "2026-11-23T14:00:00.000Z", kind: "created")
        #expect(fields(of: "Event") == event.json.object?.names)
        let streamed = StreamEventDocument(id: "e-1", event: event, task: task)
        #expect(fields(of: "StreamEvent") == streamed.json.object?.names)
        #expect(fields(of: "StreamControl") == StreamControlDocument(control: "reset").json.object?.names)
        let status = StatusDocument()
        #expect(fields(of: "Status") == status.json.object?.names)
        #expect(fields(of: "Provider") == StatusDocument.Provider().json.object?.names)
        #expect(fields(of: "Account") == StatusDocument.Account().json.object?.names)
        #expect(fields(of: "Backup") == BackupDocument().json.object?.names)
        #expect(fields(of: "Gateway") == GatewayDocument().json.object?.names)
        #expect(fields(of: "GatewayToken") == GatewayTokenDocument().json.object?.names)
        #expect(fields(of: "Doctor") == DoctorDocument().json.object?.names)
        #expect(fields(of: "DoctorCheck") == DoctorDocument.Check().json.object?.names)
        #expect(fields(of: "Reload") == ReloadDocument().json.object?.names)
        #expect(fields(of: "Settings") == SettingsDocument().json.object?.names)
        #expect(document.value(at: try pointer("/components/schemas/Task/required"))?.array?.count == 37)
        finished.removed = TaskDocument.Removed(at: "t", request: true, response: true, events: true)
        #expect(fields(of: "Removed") == finished.json["removed"]?.object?.names)
        #expect(fields(of: "Prune") == PruneDocument().json.object?.names)
        #expect(fields(of: "Reconcile") == ReconcileDocument().json.object?.names)
        #expect(fields(of: "Orphan") == ReconcileDocument.Orphan().json.object?.names)
        #expect(fields(of: "Ghost") == ReconcileDocument.Ghost().json.object?.names)
        #expect(fields(of: "ProviderList") == ReconcileDocument.List().json.object?.names)
        var destination = DestinationDocument(name: "d", target: "t", state: "open")
        destination.lastFailure = DestinationDocument.Failure(at: "a", status: nil, reason: "r")
        #expect(fields(of: "Destination") == destination.json.object?.names)
        #expect(fields(of: "DestinationFailure") == destination.json["last_failure"]?.object?.names)
        #expect(
            fields(of: "DestinationState")
                == StatusDocument.Destination(name: "d", state: "open", reason: nil, waiting: 0, dead: 0).json.object?
                .names)
        #expect(fields(of: "DeadLetter") == DeadLetterDocument().json.object?.names)
        #expect(fields(of: "Replay") == ReplayDocument(destination: "d", events: nil).json.object?.names)
        #expect(
            fields(of: "DeliveryTest") == DeliveryTestDocument(destination: "d", delivered: true).json.object?.names)
        finished.callback = TaskDocument.Callback(receiver: "pollux", deliveries: 0)
        #expect(fields(of: "TaskCallback") == finished.json["callback"]?.object?.names)
        var endpoint = EndpointDocument(name: "a/b", provider: "p")
        endpoint.callbacks = EndpointDocument.Callbacks(expected: 0, came: 0, missing: 0, trust: 0)
        #expect(fields(of: "EndpointCallbacks") == endpoint.json["callbacks"]?.object?.names)
        var receiving = status
        receiving.callbacks = .init(listen: "", publicURL: "", deliveries: 0, unknownTokens: 0)
        #expect(fields(of: "CallbackReceiver") == receiving.json["callbacks"]?.object?.names)
    }

    @Test(arguments: [
        "SubmitRequest", "AdoptRequest", "BackupRequest", "PruneRequest", "GatewayTokenRequest", "ReconcileRequest",
    ])
    func `the request schemas have exactly the accepted fields`(schema: String) throws {
        let names = try #require(fields(of: schema))
        for name in names + ["stranger"] {
            let error = #expect(throws: ContractError.self) {
                let json = JSONValue.object(
                    JSONObject([(name, ["PruneRequest", "ReconcileRequest"].contains(schema) ? 1 : .bool(true))]))
                switch schema {
                case "SubmitRequest": _ = try SubmitDocument(json: json)
                case "AdoptRequest": _ = try AdoptDocument(json: json)
                case "GatewayTokenRequest": _ = try GatewayTokenRequestDocument(json: json)
                case "PruneRequest": _ = try PruneRequestDocument(json: json)
                case "ReconcileRequest": _ = try ReconcileRequestDocument(json: json)
                default: _ = try BackupRequestDocument(json: json)
                }
            }
            #expect((error?.code == ProblemCode.unknownField) == (name == "stranger"), "\(name)")
        }
    }

    @Test func `the schemas have the limits of the code`() throws {
        let submit = "/components/schemas/SubmitRequest/properties"
        #expect(try number(submit + "/labels/maxProperties") == EnvelopeRules.maxLabels)
        #expect(try number(submit + "/labels/propertyNames/maxLength") == EnvelopeRules.labelNameLength.upperBound)
        #expect(try number(submit + "/labels/additionalProperties/maxLength") == EnvelopeRules.maxLabelValueLength)
        #expect(try number(submit + "/note/maxLength") == EnvelopeRules.maxNoteLength)
        #expect(try number(submit + "/notify/maxLength") == EnvelopeRules.maxNotifyLength)
        #expect(try number(submit + "/priority/minimum") == EnvelopeRules.priority.lowerBound)
        #expect(try number(submit + "/priority/maximum") == EnvelopeRules.priority.upperBound)
        #expect(try number(submit + "/idempotency_key/maxLength") == EnvelopeRules.idempotencyKeyLength.upperBound)
        let states = document.value(at: try pointer("/components/schemas/Task/properties/state/enum"))
        #expect(states?.array?.compactMap(\.string) == TaskDocument.states)
        #expect(
            TaskDocument.states
                == ["queued", "submitting", "uncertain", "running", "succeeded", "failed", "cancelled", "expired"])
        let policies = document.value(at: try pointer("/components/schemas/Task/properties/on_uncertain/enum"))
        #expect(policies == ["hold", "resubmit_if_absent", "fail"])
    }

    @Test func `the examples of a task and a problem can be read`() throws {
        let task = try #require(document.value(at: pointer("/components/schemas/Task/examples/0")))
        #expect(try TaskDocument(json: task).json == task)
        let problem = try #require(document.value(at: pointer("/components/schemas/Problem/examples/0")))
        #expect(try ProblemDocument(json: problem).json == problem)
    }

    private func fields(of schema: String) -> [String]? {
        document["components"]?["schemas"]?[schema]?["properties"]?.object?.names
    }

    private func number(_ path: String) throws -> Int? {
        document.value(at: try pointer(path))?.number?.integer.map { Int($0) }
    }

    private func pointer(_ path: String) throws -> JSONPointer { try #require(JSONPointer(path)) }
}
