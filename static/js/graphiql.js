// GraphiQL on /dev/graphql: queries our own endpoint as the signed-in user, or with the API key in the headers.
(() => {
  const cookie = (name) => document.cookie.split("; ").find((each) => each.startsWith(`${name}=`))?.split("=")[1] ?? "";

  const ask = async (operation, options) => {
    const answer = await fetch("/api/graphql", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": cookie("csrftoken"), ...options?.headers },
      body: JSON.stringify(operation),
    });
    return answer.json();
  };

  const element = React.createElement(GraphiQL, {
    fetcher: ask,
    defaultEditorToolsVisibility: "headers",
    defaultHeaders: '{"Authorization": "Bearer <your key>"}',
    defaultQuery: "query Programs {\n  programs(first: 5) {\n    edges { node { code title } }\n    totalCount\n  }\n}\n",
  });
  ReactDOM.createRoot(document.getElementById("graphiql")).render(element);
})();
