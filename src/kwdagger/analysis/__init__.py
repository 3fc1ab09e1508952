"""Pure questions to a result table: query, varied, ranking, Pareto set, macro averages."""
