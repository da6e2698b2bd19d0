/*-------------------------------------------------------------------------
 *
 * json.h
 *		A JSON document as a flat list of nodes.
 *
 * Nodes stand in document order. A container is followed by its members; in
 * an object each member is two nodes, the key and then the value. "end" is
 * the number of the node after the value, so skipping it is one assignment:
 *
 *		{"a": [1, 2], "b": true}
 *
 *		0 OBJECT end=7
 *		1 STRING a		2 ARRAY end=5	3 NUMBER 1	4 NUMBER 2
 *		5 STRING b		6 TRUE
 *
 * Nothing here recurses: a document's depth costs heap, not stack.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_JSON_H
#define EB_CORE_JSON_H

typedef enum EbJsonKind
{
	EB_JSON_NULL,
	EB_JSON_FALSE,
	EB_JSON_TRUE,
	EB_JSON_NUMBER,
	EB_JSON_STRING,
	EB_JSON_ARRAY,
	EB_JSON_OBJECT
} EbJsonKind;

typedef struct EbJsonNode
{
	EbJsonKind	kind;
	int			end;			/* number of the node after this value */
	int			len;			/* bytes of text */
	const char *text;			/* string: decoded; number: as written; not
								 * terminated */
} EbJsonNode;

typedef struct EbJson
{
	EbJsonNode *nodes;			/* node 0 is the document's value */
	int			nnodes;
	int			capacity;
} EbJson;

typedef struct EbJsonError
{
	const char *reason;			/* a constant */
	int			offset;			/* byte of the text where reading stopped */
} EbJsonError;

/* deepest nesting that eb_json_parse accepts */
#define EB_JSON_MAX_DEPTH	10000

#define EB_JSON_IS_CONTAINER(kind)	((kind) >= EB_JSON_ARRAY)

/*
 * Builds a document by hand: one eb_json_add per scalar or key, and an
 * eb_json_open / eb_json_close pair per container. The text is not copied.
 * open and add return the node's number.
 */
extern void eb_json_init(EbJson *doc);
extern int	eb_json_add(EbJson *doc, EbJsonKind kind, const char *text,
						int len);
extern int	eb_json_open(EbJson *doc, EbJsonKind kind);
extern void eb_json_close(EbJson *doc, int node);

/*
 * Reads JSON text (UTF-8, need not be terminated) into doc. Strict: RFC 8259
 * grammar, valid UTF-8, no lone surrogates, nothing after the value. Returns
 * false and fills *error for anything else. Nodes point into text where they
 * can, so text must live as long as doc.
 */
extern bool eb_json_parse(const char *text, int len, EbJson *doc,
						  EbJsonError *error);

#endif							/* EB_CORE_JSON_H */
