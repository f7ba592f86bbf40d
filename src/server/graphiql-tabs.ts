/** What GraphiQL shows at first: one tab for each step of working with a batch. */

/** A tab of GraphiQL. */
export interface GraphiqlTab {
  readonly query: string;
  readonly variables?: string;
}

const TRY_OUT_DOCUMENTS = Array.from(
  { length: 19 },
  (_, index) => `# Document ${index + 1}\n\nA short text with a [link](other-${index + 1}.md).`,
);
const ID_VARIABLE = JSON.stringify({ id: 'exec_… (paste the id from the first tab)' }, null, 2);

/** The tabs, in the order in which one tries them. A test runs each against the schema. */
export const GRAPHIQL_TABS: readonly GraphiqlTab[] = [
  {
    query: `# 1. Create a batch execution, and copy its id for the other tabs.
# The first tier only waits, so that there is time to watch; take it out to run at full speed.
# One document is empty: its item will fail.
mutation Create {
  createBatchExecution(
    input: {
      source: {
        spec: {
          name: "try-it"
          tiers: [
            { agent: "echo", config: { delayMs: 3000 } }
            { agent: "document-report" }
          ]
          execution: { concurrency: 2 }
          input: {
            items: [
              { filename: "empty.md", mediaType: "text/markdown", text: " " }
${TRY_OUT_DOCUMENTS.map((text, index) => `              { filename: "${index + 1}.md", mediaType: "text/markdown", text: ${JSON.stringify(text)} }`).join('\n')}
            ]
          }
        }
      }
    }
  ) {
    ... on CreateBatchExecutionSuccess {
      batchExecution { id status counts { total queued running } }
    }
    ... on UserError { code message }
    ... on ValidationError { issues { loc msg } }
  }
}
`,
  },
  {
    query: `# 2. Watch it over WebSocket: the state now, then each change, until it has ended.
# Put the id below, under Variables. To do other things meanwhile, open this page in a second window.
subscription Watch($id: ID!) {
  batchExecutionUpdated(id: $id) {
    revision
    batchExecution {
      status
      counts { total queued running retrying succeeded failed cancelled }
      progress { percent itemsPerSecond }
    }
    changedItems { ordinal filename status }
  }
}
`,
    variables: ID_VARIABLE,
  },
  {
    query: `# 3. Page through the items of the newest execution. Pass endCursor as \`after\` for the next page.
query Items($after: String) {
  batchExecutions(first: 1) {
    nodes {
      id
      name
      status
      items(first: 20, after: $after) {
        nodes {
          ordinal
          filename
          status
          attempts
          data
          error { category code message }
        }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}
`,
    variables: JSON.stringify({ after: null }, null, 2),
  },
  {
    query: `# 4. Cancel an execution that has not ended. Results that are there stay.
mutation Cancel($id: ID!) {
  cancelBatchExecution(input: { batchExecutionId: $id, reason: "Tried from GraphiQL" }) {
    ... on CancelBatchExecutionSuccess {
      batchExecution { status counts { succeeded cancelled } }
    }
    ... on UserError { code message }
  }
}
`,
    variables: ID_VARIABLE,
  },
  {
    query: `# 5. Retry what failed. TRANSIENT_ONLY, the default, would leave out errors that another try cannot mend.
mutation Retry($id: ID!) {
  retryFailedItems(input: { batchExecutionId: $id, mode: ALL }) {
    ... on RetryFailedItemsSuccess {
      retriedCount
      skipped { reason count }
      batchExecution { status round counts { queued running failed } }
    }
    ... on UserError { code message }
  }
}
`,
    variables: ID_VARIABLE,
  },
];
