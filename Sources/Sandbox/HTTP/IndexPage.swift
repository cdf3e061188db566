/// The page at `GET /` for a browser.
enum IndexPage {
    static let text = """
        The Pollux sandbox: a simulated provider of generation tasks. Nothing here costs anything.

        Send any non-empty token: Authorization: Bearer sandbox
        (expired-token, used-up-token and throttled-token are rejected as by the provider.)

        Submit: POST, with or without /v1 in front; async: true or a callback_url answers at once
        \(operations)

        Look up: POST /SERVICE/tasks
          {"action": "retrieve", "id": …}        also by task_id or trace_id
          {"action": "retrieve_batch", "ids": […], "limit": …}
          {"action": "retrieve_batch", "created_at_min": …, "created_at_max": …, "offset": …, "limit": …, "type": …}

        Other providers, each in its own shapes: /fal, /replicate, /openai, /google, /runway
          POLLUX_PROVIDERS_REPLICATE_BASE_URL=http://127.0.0.1:PORT/replicate REPLICATE_API_TOKEN=sandbox pollux serve

        \(PromptControls.help)

        For tests, without a token:
          GET  /sandbox/ledger   what was billed, whether anything was billed twice, and what was called back
          GET  /sandbox/stats    requests by kind, in total and in the busiest second
          POST /sandbox/faults   a fault plan as plain text replaces the current one
          POST /sandbox/forget   a task id as plain text is missing from look-ups and lists from then on
          POST /sandbox/revoke   a token as plain text is rejected from then on
          POST /sandbox/reset    deletes all tasks and counts

        Fault plans:
        \(FaultPlan.help)

        """

    private static var operations: String {
        ServiceTable.operations.map { operation in
            let fields = operation.requiredFields.map { $0.joined(separator: " or ") }.joined(separator: ", ")
            return "  /\(operation.endpoint)  needs \(fields); about \(Int(operation.duration.medianSeconds)) s"
        }.joined(separator: "\n")
    }
}
