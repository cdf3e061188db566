/// Provider definitions in YAML.
package enum DefinitionText {
    /// The provider `mine` with the endpoint `mine:make`, as a user would add it.
    package static let mine = """
        provider: mine
        base_url: https://api.mine.example
        max_requests_per_second: 2
        endpoints:
          make:
            submit: {path: /make}
            accepted: {id: /id}
            poll: {path: "/tasks/{id}"}
            state: [{at: /state, pending: [run], succeeded: [succeeded], failed: [bad]}]
            results: [/url]
        """
}
