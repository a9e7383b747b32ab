// What a board of ours is, in the types of @grafana/schema: the classic dashboard, with each panel's options and
// custom fields those of its own kind, so that a misspelt property is an error.
import type * as raw from './node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type { AnnotationQuery, VariableModel } from './node_modules/@grafana/schema/dist/types/veneer/dashboard.types';
import type { GraphFieldConfig, TableFieldOptions } from './node_modules/@grafana/schema/dist/types/common/common.gen';
import type * as barchart from './node_modules/@grafana/schema/dist/types/raw/composable/barchart/panelcfg/x/types.gen';
import type * as piechart from './node_modules/@grafana/schema/dist/types/raw/composable/piechart/panelcfg/x/types.gen';
import type * as stat from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as table from './node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as timeseries from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';
import type * as trend from './node_modules/@grafana/schema/dist/types/raw/composable/trend/panelcfg/x/types.gen';
import type * as xychart from './node_modules/@grafana/schema/dist/types/raw/composable/xychart/panelcfg/x/types.gen';

interface Field<Custom> extends Omit<raw.FieldConfig, 'custom' | 'links'> {
  custom?: Partial<Custom>;
  links?: Array<{ title: string; url: string; targetBlank?: boolean }>;
}

interface Shown<Type extends string, Options, Custom> extends Omit<raw.Panel, 'type' | 'options' | 'fieldConfig'> {
  type: Type;
  options: Options;
  fieldConfig: { defaults: Field<Custom>; overrides: raw.FieldConfigSource['overrides'] };
}

type Panel =
  | Shown<'barchart', barchart.Options, barchart.FieldConfig>
  | Shown<'piechart', piechart.Options, piechart.FieldConfig>
  | Shown<'stat', stat.Options, {}>
  | Shown<'table', table.Options, TableFieldOptions>
  | Shown<'timeseries', timeseries.Options, GraphFieldConfig>
  | Shown<'trend', trend.Options, GraphFieldConfig>
  | Shown<'xychart', xychart.Options, xychart.FieldConfig>;

interface Annotation extends Omit<AnnotationQuery, 'target' | 'snapshotData'> {
  target: Record<string, unknown>;
}

export interface Board extends Omit<raw.Dashboard, 'panels' | 'templating' | 'annotations'> {
  panels: Array<Panel | raw.RowPanel>;
  templating: { list: VariableModel[] };
  annotations: { list: Annotation[] };
}

// Custom fields by kind: the type of `custom.…` properties of overrides.
export interface Customs {
  barchart: Partial<barchart.FieldConfig>;
  piechart: Partial<piechart.FieldConfig>;
  table: Partial<TableFieldOptions>;
  timeseries: Partial<GraphFieldConfig>;
  trend: Partial<GraphFieldConfig>;
  xychart: Partial<xychart.FieldConfig>;
}
