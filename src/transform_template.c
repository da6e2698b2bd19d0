/*-------------------------------------------------------------------------
 *
 * transform_template.c
 *		Templates of input transformers: read once, expanded for each event.
 *
 * A template whose first character, blanks aside, is "{" is a JSON template:
 * its result must be JSON. Any other is a text template. A placeholder is
 * whatever stands between "<" and the next ">", neither of which can be
 * escaped; a "<" that no ">" follows is itself. All else of the template is
 * copied byte by byte.
 *
 * Reading keeps one flag, whether the place is between double quotes; a quote
 * after a backslash does not change it. How a value is written depends on that
 * (transform_expand.c).
 *
 * Whether a JSON template can become JSON is found out by putting dummies for
 * its placeholders: x between quotes, null elsewhere. If that is JSON, then
 * every result is, as any JSON value may be where null may, and any escaped
 * string where x may (an x would not do after a backslash): results need not
 * be parsed. Failing that, 1 is tried: a template like {"price": -<amount>}
 * becomes JSON where the value is a number, and its results are parsed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "jsonb_text.h"
#include "transform_template.h"

/* how much of a caller's string a message repeats, in bytes */
#define MAX_QUOTED_LEN	256

#define RESERVED(name, kind)	{name, sizeof(name) - 1, kind}

static const EbVariable reserved[] = {
	RESERVED("aws.events.rule-arn", EB_VARIABLE_RULE_ARN),
	RESERVED("aws.events.rule-name", EB_VARIABLE_RULE_NAME),
	RESERVED("aws.events.event.ingestion-time", EB_VARIABLE_INGESTION_TIME),
	RESERVED("aws.events.event", EB_VARIABLE_BRIEF_EVENT),
	RESERVED("aws.events.event.json", EB_VARIABLE_EVENT),
};

/* A template that is being read. */
typedef struct Reader
{
	const char *target_id;
	const EbVariable *known;	/* by the paths map */
	int			nknown;
	int		   *places;			/* of known, then of reserved: their numbers
								 * in the template, -1: not yet used */
	EbTemplate *template;
} Reader;

static bool is_json_template(const char *text, int len);
static void read_tokens(Reader *reader, const char *text, int len);
static void add_token(Reader *reader, const char *text, int len,
					  int variable, bool in_string);
static int	find_variable(Reader *reader, const char *name, int len);
static int	use_variable(Reader *reader, int number);
static void check_quoted_events(const Reader *reader);
static Jsonb *example(const EbTemplate *template, const char *dummy,
					  const char *in_quotes);
static bool parses_with(const EbTemplate *template, const char *dummy);

EbTemplate *
eb_template_read(const char *target_id, const char *text, int len,
				 const EbVariable *variables, int nvariables)
{
	Reader		reader = {target_id, variables, nvariables};
	int			n = nvariables + lengthof(reserved);
	EbTemplate *template = palloc0(sizeof(EbTemplate));

	reader.template = template;
	reader.places = palloc(sizeof(int) * n);
	for (int i = 0; i < n; i++)
		reader.places[i] = -1;
	template->variables = palloc(sizeof(EbVariable) * n);
	template->is_json = is_json_template(text, len);
	read_tokens(&reader, text, len);
	pfree(reader.places);
	if (!template->is_json)
		return template;

	check_quoted_events(&reader);
	template->is_certain = parses_with(template, "null");
	if (!template->is_certain && !parses_with(template, "1"))
		ereport(ERROR,
		/* EventBridge's text */
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid InputTemplate for target %s.", target_id),
				 errdetail("It begins with \"{\", but cannot become JSON, whatever the values of its placeholders are."),
				 errhint("A placeholder stands for a value, or for a part of a string; not for a key.")));
	return template;
}

static bool
is_json_template(const char *text, int len)
{
	int			i = 0;

	while (i < len && (text[i] == ' ' || text[i] == '\t' ||
					   text[i] == '\n' || text[i] == '\r'))
		i++;
	return i < len && text[i] == '{';
}

static void
read_tokens(Reader *reader, const char *text, int len)
{
	const char *end = text + len;
	const char *start = text;	/* of what is in no token yet */
	const char *last_close = text;
	bool		in_string = false;
	int			nplaceholders = 0;

	for (const char *p = text; p < end; p++)
	{
		nplaceholders += *p == '<';
		if (*p == '>')
			last_close = p;
	}
	reader->template->tokens =
		palloc(sizeof(EbTemplateToken) * (nplaceholders + 1));

	for (const char *p = text; p < end; p++)
	{
		if (*p == '\\' && p + 1 < end && p[1] != '<')
			p++;
		else if (*p == '"')
			in_string = !in_string;
		else if (*p == '<' && p < last_close)
		{
			const char *close = memchr(p, '>', end - p);

			add_token(reader, start, p - start,
					  find_variable(reader, p + 1, close - p - 1), in_string);
			start = close + 1;
			p = close;
		}
	}
	add_token(reader, start, end - start, -1, false);
}

static void
add_token(Reader *reader, const char *text, int len, int variable,
		  bool in_string)
{
	EbTemplate *template = reader->template;
	EbTemplateToken *token = &template->tokens[template->ntokens++];

	token->text = text;
	token->len = len;
	token->variable = variable;
	token->in_string = in_string;
}

/* The number of the variable in the template. */
static int
find_variable(Reader *reader, const char *name, int len)
{
	for (int i = 0; i < reader->nknown + lengthof(reserved); i++)
	{
		const EbVariable *variable = i < reader->nknown ?
			&reader->known[i] : &reserved[i - reader->nknown];

		if (variable->len == len && memcmp(variable->name, name, len) == 0)
			return use_variable(reader, i);
	}
	ereport(ERROR,
	/* EventBridge's text */
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("InputTemplate for target %s contains invalid placeholder %.*s.",
					reader->target_id,
					pg_mbcliplen(name, len, MAX_QUOTED_LEN), name),
			 errdetail("A placeholder is what stands between \"<\" and the next \">\": a name of the InputPathsMap, or that of a reserved variable.")));
	return -1;
}

static int
use_variable(Reader *reader, int number)
{
	EbTemplate *template = reader->template;
	int		   *place = &reader->places[number];

	if (*place < 0)
	{
		*place = template->nvariables++;
		template->variables[*place] = number < reader->nknown ?
			reader->known[number] : reserved[number - reader->nknown];
	}
	return *place;
}

/* An event always has quotes of its own: between others it breaks them. */
static void
check_quoted_events(const Reader *reader)
{
	const EbTemplate *template = reader->template;

	for (int i = 0; i < template->ntokens; i++)
	{
		const EbTemplateToken *token = &template->tokens[i];
		const EbVariable *variable;

		if (token->variable < 0 || !token->in_string)
			continue;
		variable = &template->variables[token->variable];
		if (variable->kind == EB_VARIABLE_EVENT ||
			variable->kind == EB_VARIABLE_BRIEF_EVENT)
			ereport(ERROR,
			/* EventBridge's text */
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("Invalid InputTemplate for target %s.",
							reader->target_id),
					 errdetail("The value of <%.*s> is an object, which cannot stand between quotes.",
							   variable->len, variable->name)));
	}
}

/* Is the template JSON with the dummy for all values that are unquoted? */
static bool
parses_with(const EbTemplate *template, const char *dummy)
{
	Jsonb	   *jsonb = example(template, dummy, "x");

	if (jsonb == NULL)
		return false;
	pfree(jsonb);
	return true;
}

Jsonb *
eb_template_example(const EbTemplate *template, const char *in_quotes)
{
	return example(template, template->is_certain ? "null" : "1", in_quotes);
}

/* With dummies for all values; NULL where that is not JSON. */
static Jsonb *
example(const EbTemplate *template, const char *dummy, const char *in_quotes)
{
	StringInfoData buf;
	Jsonb	   *jsonb;

	initStringInfo(&buf);
	for (int i = 0; i < template->ntokens; i++)
	{
		const EbTemplateToken *token = &template->tokens[i];

		appendBinaryStringInfo(&buf, token->text, token->len);
		if (token->variable >= 0)
			appendStringInfoString(&buf,
								   token->in_string ? in_quotes : dummy);
	}
	jsonb = eb_jsonb_from_text(buf.data, buf.len);
	pfree(buf.data);
	return jsonb;
}
